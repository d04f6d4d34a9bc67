/**
 * The supervisor: root's process in the sandbox. Checks what it is made of, starts the executors, serves one work item,
 * and ends with a code that says how.
 *
 * Nothing that the executor can write is loaded or trusted here, and nothing that is secret is held here but tickets.
 */
import { readFile, readlink, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BundledAgent } from "../agents/registry.ts";
import { createBrokeredFetch } from "../fetch/brokered-fetch.ts";
import { type Handover, readHandover } from "../handover.ts";
import { CA_VARIABLES } from "../vm.ts";
import { Calls } from "./calls.ts";
import { planDeadline } from "./deadline.ts";
import { type Executors, startExecutors } from "./executors.ts";
import { checkInstall, checkOwned, checkTrusted, findProgram, trustedOwners } from "./install.ts";
import { isolationHere, type Launchers } from "./isolation.ts";
import { createLog, createRedact, type Log } from "./log.ts";
import { BootError, EXIT_CODES, type Outcome } from "./outcome.ts";
import { bindInSandbox, deservesTicket, SUPERVISOR, selectAgent } from "./policy.ts";
import { servedTools } from "./tools.ts";
import { serveWork } from "./work.ts";

/** What {@link runSupervisor} needs. */
export interface SupervisorOptions {
  /** Descriptor of the handover. */
  readonly handoverFd: number;
  readonly agents: readonly BundledAgent[];
  /** Folder of the runner's files; the bundle in it is what the executors run. */
  readonly installDir: string;
  readonly workspace: string;
  /** The supervisor's environment, which `boot.sh` has made: PATH, HOME, LANG and the certificate authorities. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly write: (line: string) => void;
  /** Aborts on SIGTERM and SIGINT. */
  readonly shutdown: AbortSignal;
  /** Ends the process at once with an exit code, when the deadline passes while something hangs. */
  readonly exit: (code: number) => void;
  readonly now: () => number;
}

/** Runs to the end and returns the exit code ({@link EXIT_CODES}). Does not throw. */
export async function runSupervisor(options: SupervisorOptions): Promise<number> {
  const { write, now } = options;
  let log = createLog(write, (text) => text, now);
  try {
    const handover = read(options.handoverFd);
    const redact = createRedact(handover.tickets);
    log = createLog(write, redact, now);
    const outcome = await run(handover, options, log, redact);
    log("info", "run.ended", { outcome, exit_code: EXIT_CODES[outcome] });
    return EXIT_CODES[outcome];
  } catch (error) {
    const outcome: Outcome = error instanceof BootError ? error.outcome : "failed";
    log("error", "boot.refused", { outcome, exit_code: EXIT_CODES[outcome], message: (error as Error).message });
    return EXIT_CODES[outcome];
  }
}

async function run(
  handover: Handover,
  options: SupervisorOptions,
  log: Log,
  redact: (text: string) => string,
): Promise<Outcome> {
  const { agents, installDir, env, shutdown, exit, now } = options;
  const { exitAt } = planDeadline(now(), handover.deadlineMs);
  if (exitAt <= now()) throw new BootError("deadline", "the deadline of the handover has passed");
  const lastExit = setTimeout(() => exit(EXIT_CODES.deadline), Math.min(exitAt - now(), 2 ** 31 - 1));

  let executors: Executors | undefined;
  try {
    const isolation = isolationHere(process.geteuid?.() ?? 0, await readFile("/proc/self/uid_map", "utf8"));
    const { launchers, unchangeable } = await checkEverything(installDir, handover.runnerDigest, env);
    const workspace = await stat(options.workspace).catch(() => undefined);
    if (!workspace?.isDirectory()) throw new BootError("bad_install", `there is no folder ${options.workspace}`);
    const { agent, lock } = selectAgent(agents, handover.policyDigest);
    const bound = bindInSandbox(lock, handover);
    executors = await startExecutors({
      node: process.execPath,
      runner: join(installDir, "runner.mjs"),
      agent: agent.name,
      workspace: options.workspace,
      env: executorEnv(env, options.workspace),
      isolation,
      launchers,
      unchangeable,
      own: {
        pidNamespace: await readlink("/proc/self/ns/pid"),
        networkNamespace: await readlink("/proc/self/ns/net"),
      },
      log,
    });
    log("info", "run.started", {
      agent: agent.name,
      session: handover.sessionId,
      work: handover.workId,
      environment: handover.environmentId,
      policy: handover.policyDigest,
      runner: handover.runnerDigest,
      isolation,
      deadline: new Date(handover.deadlineMs).toISOString(),
    });
    const fetchOf = (principal: string) =>
      createBrokeredFetch({ ticket: handover.tickets[principal], deserves: deservesTicket(bound, principal) });
    const calls = new Calls({ redact });
    const tools = servedTools({
      tools: agent.tools,
      executors,
      fetchOf,
      variables: handover.variables,
      calls,
      log,
      now,
    });
    return await serveWork({ handover, fetch: fetchOf(SUPERVISOR), tools, calls, log, shutdown, now });
  } finally {
    await executors?.stop();
    clearTimeout(lastExit);
  }
}

function read(fd: number): Handover {
  try {
    return readHandover(fd);
  } catch (error) {
    throw new BootError("bad_handover", (error as Error).message);
  }
}

/** Checks the runner's files and every program that the supervisor runs as, or starts. Returns where these are. */
async function checkEverything(
  installDir: string,
  runnerDigest: string,
  env: SupervisorOptions["env"],
): Promise<{ launchers: Launchers; unchangeable: string[] }> {
  await checkInstall(installDir, runnerDigest);
  const path = env.PATH ?? "";
  const [unshare, setpriv, sh, prlimit] = await Promise.all([
    findProgram("unshare", path),
    findProgram("setpriv", path),
    findProgram("sh", path),
    findProgram("prlimit", path),
  ]);
  const [mount, ip, perl] = await Promise.all(
    ["mount", "ip", "perl"].map((name) => findProgram(name, path).catch(() => undefined)),
  );
  const owners = await trustedOwners();
  await checkOwned(installDir, owners);
  const authorities = [env.NODE_EXTRA_CA_CERTS, env.SSL_CERT_FILE].filter((file) => file !== undefined);
  const loaded = [join(installDir, "runner.mjs"), process.execPath, unshare, setpriv, sh, prlimit, ...authorities];
  const optional = { ...(mount && { mount }), ...(ip && { ip }), ...(perl && { perl }) };
  loaded.push(...Object.values(optional));
  for (const file of loaded) await checkTrusted(file, owners);
  const unchangeable = [...loaded, join(installDir, "boot.sh"), join(installDir, "manifest.json")];
  for (const file of loaded) unchangeable.push(await realpath(file));
  return { launchers: { unshare, setpriv, sh, prlimit, ...optional }, unchangeable };
}

/** What an executor and the commands in it see: where programs are and which certificate authorities to trust. */
function executorEnv(env: SupervisorOptions["env"], workspace: string): Record<string, string> {
  const result: Record<string, string> = {
    PATH: env.PATH ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: workspace,
    LANG: env.LANG ?? "C.UTF-8",
  };
  for (const name of CA_VARIABLES) {
    const value = env[name];
    if (value !== undefined) result[name] = value;
  }
  return result;
}
