/**
 * `npm run pulumi -- <arguments>`: the Pulumi engine by hand, with the backend, the PULUMI_HOME and the plugins that
 * every other verb uses. Without a backend of your own (PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN) that is the local
 * cloud's.
 */
import pc from "picocolors";
import { isLocal, pulumiEnvironment } from "../infra/engine/environment.ts";
import { places } from "../infra/engine/places.mjs";
import { ensureLocalStack, exitCode, startPulumi } from "../infra/engine/pulumi.ts";
import { stackName } from "../infra/engine/stack-config.ts";
import { findStack, needsRecovery } from "../infra/engine/stack-state.ts";

/** Commands that talk to the accounts; on the local stack they are the local cloud's. */
const WANTS_CLOUD = new Set(["up", "update", "preview", "pre", "refresh", "destroy", "down", "import"]);

/** Commands that work on a stack and would find none on a machine where nothing has run yet. */
const WANTS_STACK = new Set(["up", "update", "preview", "pre", "config", "import", "refresh"]);

const args = process.argv.slice(2);
const at = places();
const local = isLocal();
const env = pulumiEnvironment();
const stack = stackName(args) ?? env.PULUMI_STACK;
const words = args.filter((arg) => !arg.startsWith("-"));
const [command = ""] = words;
const cloudRuns = env.VERCEL_API_TOKEN !== undefined;
/** What a user of a real account would do first, in a shell where the backend was forgotten. */
const isForReal =
  (command === "stack" && words[1] === "init" && words[2] !== "local") ||
  (command === "config" &&
    args.includes("set") &&
    args.some((arg) => /^handrail:(vercelTeamId|vercelToken|anthropicApiKey)\b/.test(arg)));
const say = (line: string) => process.stderr.write(`${pc.dim(line)}\n`);

if (local && isForReal) {
  process.stderr.write(
    "No backend is named, so this would go to the local cloud, whose stack is `local` and sets these itself.\n" +
      "For a real account: export PULUMI_BACKEND_URL=… (with PULUMI_CONFIG_PASSPHRASE) or PULUMI_ACCESS_TOKEN=…, then again.\n",
  );
  process.exit(1);
}
if (local) {
  const cloud = cloudRuns ? "local cloud running" : "local cloud not running (npm run local)";
  say(`pulumi: backend .handrail/local/state, stack ${stack}, ${cloud}`);
  if (WANTS_CLOUD.has(command) && !cloudRuns && !args.includes("--help")) {
    process.stderr.write(
      `No local cloud runs, so ${command} would have nothing to talk to. In another terminal: npm run local\n` +
        "For a real account, name its backend first: PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN.\n",
    );
    process.exit(1);
  }
} else {
  say(`pulumi: backend ${process.env.PULUMI_BACKEND_URL || "Pulumi Cloud"}, PULUMI_HOME ${env.PULUMI_HOME}`);
}

if (local && stack === "local" && WANTS_STACK.has(command) && !findStack(at.local, at.root, stack)) {
  await ensureLocalStack(stack);
}
if (
  /^(up|update|destroy|down)$/.test(command) &&
  stack !== undefined &&
  (!local || needsRecovery(at.local, at.root, stack))
) {
  // Loaded only when it is needed: most commands are over sooner than its libraries are read.
  const { recoverPendingOperations } = await import("../infra/recovery/recover.ts");
  await recoverPendingOperations({ stack, log: say });
}

const child = startPulumi(args, {}, "inherit");
// At a terminal the engine gets Ctrl-C itself; what is sent to this process alone must reach it too.
const terminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
process.on("SIGINT", () => terminal || child.kill("SIGINT"));
for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
process.exitCode = await exitCode(child);
