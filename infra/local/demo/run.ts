/**
 * The demo: a real `pulumi up` provisions an environment on the local cloud, a session is worked by tools in a sandbox,
 * and the proof table measures what the design promises. `scripts/demo.ts` prints it.
 */
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import { Sandbox } from "@vercel/sandbox";
import { z } from "zod";
import { RUNNER_TAG, sandboxName } from "../../../functions/naming.ts";
import { sandboxApiFetch } from "../../../functions/sandbox-api.ts";
import { TICKET_HEADER } from "../../../policies/engine/ticket.ts";
import type { LocalCloud } from "../cloud.ts";
import { narrateLog, sessionNarrator } from "./narrate.ts";
import type { Narrator } from "./narrator.ts";
import { type LoggedRequest, type ProofContext, type ProofRow, prove } from "./proof.ts";
import { type Answer, type DemoSession, openSession, type SessionEvent } from "./session.ts";
import { CUSTOMER, REQUEST, TASK } from "./task.ts";
import { askConsole, openWorld, type Provisioned, provision, setScript, type World } from "./world.ts";

/** The longest that one turn of a session may take. */
const TURN_TIMEOUT_MS = 120_000;
/** The longest that a sandbox may outlive its session. */
const CLEAN_UP_TIMEOUT_MS = 60_000;

/** What the demo came to; `--json` prints it. */
export interface DemoResult {
  held: boolean;
  rows: ProofRow[];
  sessionId: string;
  answers: Answer[];
  outputs: Record<string, unknown>;
  tookMs: number;
}

/** A demo that has run and still holds everything open, so that a person can look around. */
export interface Demo {
  result: DemoResult;
  cloud: LocalCloud;
  close(): Promise<void>;
}

export interface DemoOptions {
  narrator: Narrator;
  /** Folder of the local cloud's files and of the stack's state. */
  stateDir: string;
  /** Node binary of the lockfile. */
  nodeBinary: string;
}

/** What keeps the executor apart from the supervisor on this machine. */
const ISOLATION = {
  uid: "the executor gets a uid of its own, 64001",
  pidns: "without root there is no second uid: a nested PID namespace keeps the executor apart",
};

/** Runs the demo to its proof table. On failure everything that was started is ended. */
export async function runDemo(o: DemoOptions): Promise<Demo> {
  const since = Date.now();
  const world = await o.narrator.step("The local cloud, a CRM and a package registry", () =>
    openWorld({ ...o, onLog: (source, record) => narrateLog(o.narrator, source, record) }),
  );
  o.narrator.note(ISOLATION[world.cloud.sandboxes.executorMode]);
  try {
    const environment = await provision(world, o.narrator);
    const client = new Anthropic({
      apiKey: world.cloud.endpoints.apiKey,
      baseURL: world.cloud.endpoints.anthropicBaseUrl,
    });
    const open = (onEvent?: (event: SessionEvent) => void) =>
      openSession({
        client,
        agentId: environment.agentId,
        environmentId: environment.environmentId,
        metadata: { customer: CUSTOMER },
        setScript: (turns) => setScript(world.cloud, environment.agentId, turns),
        ...(onEvent && { onEvent }),
        timeoutMs: TURN_TIMEOUT_MS,
      });
    const task = await o.narrator.step("A customer asks, and Claude's tools run in a sandbox", async () => {
      const session = await open(sessionNarrator(o.narrator));
      o.narrator.event("user", REQUEST);
      return { session, answers: await session.play(REQUEST, TASK) };
    });
    const probe = await open();
    const rows = await o.narrator.step("Attacks, from inside a second session's sandbox", async () => {
      await probe.play("Are you there?", [{ call: [{ name: "list_files", input: { path: "." } }] }]);
      return prove(await proofContext({ world, environment, task, probe, since }), environment.environmentId);
    });
    const after = await o.narrator.step("The end: sessions archived, pulumi up once more", async () => [
      await cleanedUp(world, client, environment, [task.session, probe]),
      await unchanged(world),
    ]);
    const all = [...rows, ...after];
    const result = {
      held: all.every((row) => row.held),
      rows: all,
      sessionId: task.session.id,
      answers: task.answers,
      outputs: await world.stack.outputs(),
      tookMs: Date.now() - since,
    };
    return { result, cloud: world.cloud, close: world.close };
  } catch (error) {
    await world.close();
    throw error;
  }
}

/** The probe session's secrets are read where an attacker cannot: in the policy that the local sandbox API was given. */
async function proofContext(o: {
  world: World;
  environment: Provisioned;
  task: ProofContext["task"];
  probe: DemoSession;
  since: number;
}): Promise<ProofContext> {
  const { cloud, crm, packages, secrets, logs } = o.world;
  const name = sandboxName(o.probe.id);
  const { tickets, sessionsToken } = readPolicy(cloud.sandboxes.policyOf(name));
  const sandbox = await Sandbox.get({ ...sandboxClient(cloud, o.environment.projectId), name });
  return {
    ...o,
    crm,
    packages,
    tickets,
    secrets: {
      "environment key": o.environment.environmentKey,
      "webhook signing key": o.environment.webhookSigningKey,
      "sessions token": sessionsToken,
      crm: secrets.crmToken,
      "crm-write": secrets.crmWriteToken,
      ...Object.fromEntries(Object.entries(tickets).map(([principal, ticket]) => [`ticket of ${principal}`, ticket])),
    },
    supervisorPid: await supervisorPid(sandbox),
    searchSnapshot: (wanted) => searchFolder(cloud.sandboxes.snapshotDisk(o.environment.snapshotId), wanted),
    logs: async () => [...logs, await runnerLog(sandbox)].join("\n"),
    anthropicRequests: async () => (await askConsole(cloud, "GET", "/requests")).data as LoggedRequest[],
  };
}

/** Tickets and the sessions token as a bound policy has them: in header matchers, and in the headers that rules set. */
function readPolicy(policy: unknown): { tickets: Record<string, string>; sessionsToken: string } {
  const { allow } = boundPolicy.parse(policy);
  const tickets: Record<string, string> = {};
  let sessionsToken = "";
  for (const [host, rules] of Object.entries(allow)) {
    for (const { match, transform } of rules) {
      const set = new Map(
        transform?.flatMap(({ headers }) =>
          Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
        ),
      );
      const principal = set.get(TICKET_HEADER);
      const ticket = match?.headers?.find(({ key }) => key?.exact === TICKET_HEADER)?.value?.exact;
      if (principal !== undefined && ticket !== undefined) tickets[principal] = ticket;
      const bearer = set.get("authorization")?.replace(/^Bearer /, "");
      if (host === "api.anthropic.com" && bearer !== undefined) sessionsToken = bearer;
    }
  }
  if (sessionsToken === "" || Object.keys(tickets).length === 0) {
    throw new Error("the bound policy holds no ticket or no sessions token: the proof would search for nothing");
  }
  return { tickets, sessionsToken };
}

const matcher = z.object({ exact: z.string().optional() }).optional();
const boundPolicy = z.object({
  allow: z.record(
    z.string(),
    z.array(
      z.object({
        match: z.object({ headers: z.array(z.object({ key: matcher, value: matcher })).optional() }).optional(),
        transform: z.array(z.object({ headers: z.record(z.string(), z.string()) })).optional(),
      }),
    ),
  ),
});

/** Process id of the supervisor as its own sandbox numbers it; asked as the sandbox's root. */
async function supervisorPid(sandbox: Sandbox): Promise<number> {
  const script = `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -q 'runner.mjs [s]upervisor' && basename $p; done`;
  const found = await sandbox.runCommand({ cmd: "sh", args: ["-c", script], sudo: true });
  const pid = Number((await found.stdout()).trim().split("\n")[0]);
  if (!Number.isInteger(pid) || pid <= 0) throw new Error("no supervisor runs in the probe session's sandbox");
  return pid;
}

/** What the runner has printed so far; its command still runs, so the log has no end yet. */
async function runnerLog(sandbox: Sandbox): Promise<string> {
  const command = await sandbox.getCommand(sandbox.tags?.[RUNNER_TAG] ?? "");
  const lines = command.logs();
  const quiet = Symbol("quiet");
  let text = "";
  for (;;) {
    const next = await Promise.race([lines.next(), sleep(500, quiet)]);
    if (next === quiet || next.done) break;
    text += next.value.data;
  }
  if (text === "") throw new Error("the runner's log is empty: the proof would search nothing");
  return text;
}

/** Searches every file below a folder. */
async function searchFolder(
  folder: string,
  secrets: Record<string, string>,
): Promise<{ files: number; found: string[] }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found: string[] = [];
  for (const file of files) {
    const bytes = await readFile(file);
    for (const [name, value] of Object.entries(secrets)) {
      if (bytes.includes(value)) found.push(`${name} in ${relative(folder, file)}`);
    }
  }
  return { files: files.length, found };
}

function sandboxClient({ endpoints }: LocalCloud, projectId: string) {
  return {
    token: endpoints.vercelToken,
    teamId: endpoints.vercelTeamId,
    projectId,
    fetch: sandboxApiFetch(endpoints.sandboxApiUrl),
  };
}

/** Ends the sessions and waits until nothing of them is left: the work items stopped, the sandboxes gone. */
async function cleanedUp(
  { cloud }: World,
  client: Anthropic,
  environment: Provisioned,
  sessions: DemoSession[],
): Promise<ProofRow> {
  for (const session of sessions) await client.beta.sessions.archive(session.id);
  const deadline = Date.now() + CLEAN_UP_TIMEOUT_MS;
  for (;;) {
    const items = await Promise.all(
      sessions.map((session) =>
        client.beta.environments.work.retrieve(session.id, { environment_id: environment.environmentId }),
      ),
    );
    const sandboxes: string[] = [];
    const list = await Sandbox.list({
      ...sandboxClient(cloud, environment.projectId),
      namePrefix: "handrail-",
      sortBy: "name",
    });
    for await (const sandbox of list) sandboxes.push(sandbox.name);
    const left = sandboxes.filter((name) => sessions.some((session) => name === sandboxName(session.id)));
    const stopped = items.every((item) => item.state === "stopped");
    if ((stopped && left.length === 0) || Date.now() > deadline) {
      return {
        claim: "the work items are stopped and the sandboxes gone",
        held: stopped && left.length === 0,
        measured: `${items.map((item) => item.state).join(", ")}; ${left.length} sandboxes left`,
      };
    }
    await sleep(200);
  }
}

async function unchanged({ stack }: World): Promise<ProofRow> {
  const { code, stdout } = await stack.run(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
  const summary = stdout.split("\n").find((line) => line.includes("unchanged"));
  return {
    claim: "another pulumi up changes nothing",
    held: code === 0,
    measured: summary?.trim() ?? stdout.slice(-300),
  };
}
