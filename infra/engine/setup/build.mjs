import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { engineCache, engineVersion } from "../places.mjs";
import { acquireLock } from "./lock.mjs";
import { isExecutable, run } from "./processes.mjs";
import { withHeartbeat } from "./report.mjs";
import { digest } from "./stamp.mjs";

/** The small Go module that pins the engine and all that it is built from. */
const MODULE = fileURLToPath(new URL("../go", import.meta.url));
const PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
const VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";

/** The engine's own go.mod asks for it. */
const GO_MINOR = 26;

/** Asking Go for its version may download a toolchain; other questions are answered at once. */
const GO_QUESTION_TIMEOUT_MS = 3 * 60_000;

/** Changes with anything that would give another binary. */
export function buildKey() {
  const [mod, sum] = ["go.mod", "go.sum"].map((name) => readFileSync(join(MODULE, name)));
  return digest(mod ?? "", sum ?? "", process.platform, process.arch);
}

/**
 * The engine, built from source with Go. Kept for this user, so that only the first checkout of a machine builds it.
 *
 * @param {import("./report.mjs").Report} report
 * @param {Record<string, string | undefined>} env
 * @param {(binary: string) => Promise<boolean>} works
 * @returns {Promise<{ binary: string, source: string } | string>} why not, when it is a string.
 */
export async function buildEngine(report, env, works) {
  const folder = join(engineCache(env), `${engineVersion}-${buildKey()}`);
  const binary = join(folder, "pulumi");
  const { release, keepFor } = await acquireLock(join(folder, "lock"), (pid) =>
    report.note("engine", `another checkout is building it (process ${pid}); waiting`),
  );
  try {
    if (isExecutable(binary) && (await works(binary))) return { binary, source: "built from source before" };
    return await build(report, env, binary, works, keepFor);
  } finally {
    release();
  }
}

/**
 * @param {import("./report.mjs").Report} report
 * @param {Record<string, string | undefined>} env
 * @param {string} binary
 * @param {(binary: string) => Promise<boolean>} works
 * @param {(pid: number) => void} keepFor
 */
async function build(report, env, binary, works, keepFor) {
  const goEnv = { ...env, GOWORK: "off" };
  const go = await run("go", ["env", "GOVERSION"], { cwd: MODULE, env: goEnv, timeoutMs: GO_QUESTION_TIMEOUT_MS });
  if (go.code === null) return "it cannot be built from source: there is no go on PATH";
  const minor = Number(/go1\.(\d+)/.exec(go.output)?.[1]);
  if (go.code !== 0 || !(minor >= GO_MINOR)) {
    return `it cannot be built from source: Go 1.${GO_MINOR} is needed, this is ${go.output.split("\n").at(-1)}`;
  }

  report.begin("engine", `building Pulumi ${engineVersion} with ${go.output}, the first time 4 to 10 minutes`);
  const total = { packages: 0 };
  const seen = { modules: 0, packages: 0 };
  const where = () => {
    if (seen.packages > 0) {
      return total.packages > 0 && seen.packages >= total.packages
        ? "linking"
        : `compiling, ${seen.packages} of about ${total.packages} packages (fewer when Go has some cached)`;
    }
    return seen.modules > 0 ? `downloading, ${seen.modules} modules` : "looking what is needed";
  };
  mkdirSync(dirname(binary), { recursive: true });
  // What a killed build left: the lock is ours, so nobody else is writing.
  for (const name of readdirSync(dirname(binary))) {
    if (name.startsWith("draft.")) rmSync(join(dirname(binary), name), { force: true });
  }
  const draft = join(dirname(binary), `draft.${process.pid}`);
  const result = await withHeartbeat(report, where, async () => {
    const list = await run("go", ["list", "-deps", PACKAGE], {
      cwd: MODULE,
      env: goEnv,
      onStart: keepFor,
      onLine: (line) => {
        if (line.startsWith("go: downloading")) seen.modules++;
        else total.packages++;
      },
    });
    if (list.code !== 0) return list;
    const ldflags = `-s -w -X ${VERSION_VARIABLE}=${engineVersion}`;
    return run("go", ["build", "-v", "-trimpath", "-ldflags", ldflags, "-o", draft, PACKAGE], {
      cwd: MODULE,
      env: goEnv,
      onStart: keepFor,
      onLine: (line) => {
        if (line.startsWith("go: downloading")) seen.modules++;
        else if (!line.startsWith("#")) seen.packages++;
      },
    });
  });
  if (result.code !== 0 || !(await works(draft))) {
    rmSync(draft, { force: true });
    return `building it from source failed: ${result.output.split("\n").slice(-5).join("\n  ")}`;
  }
  renameSync(draft, binary);
  return { binary, source: "built from source" };
}
