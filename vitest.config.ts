import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{policies,runner,functions,infra,scripts}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "**/fixtures/**"],
    // Real processes, namespaces and sockets: generous limits, since the machines are slow at times, not the code.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
