import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

function pulumi(args: readonly string[], env: NodeJS.ProcessEnv): Promise<{ code: number; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, "pulumi.ts"), ...args], { env }, (error, _, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), err }),
    );
  });
}

test.each([
  [["stack", "init", "staging"]],
  [["config", "set", "handrail:vercelTeamId", "team_1"]],
  [["config", "set", "--secret", "handrail:vercelToken"]],
  [["config", "set", "--secret", "handrail:anthropicApiKey", "sk-1"]],
])("%j without a backend is refused before anything is written", async (args) => {
  const { PULUMI_BACKEND_URL, PULUMI_ACCESS_TOKEN, ...env } = process.env;
  const { code, err } = await pulumi(args, env);
  expect(err).toContain("No backend is named, so this would go to the local cloud");
  expect(err).toContain("export PULUMI_BACKEND_URL");
  expect(code).toBe(1);
});
