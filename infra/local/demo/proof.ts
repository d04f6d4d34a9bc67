/**
 * The proof table: each row is measured in the run that prints it. The probes run where an attacker would, in the
 * session's sandbox through `execute_command`; what the services saw is read on their side.
 */
import { readFile } from "node:fs/promises";
import type { Crm, Service } from "./servers.ts";
import type { Answer, DemoSession } from "./session.ts";
import { CUSTOMER, type Turn } from "./task.ts";

/** One claim of the table. `measured` is what was seen, in words, whether the claim held or not. */
export interface ProofRow {
  claim: string;
  held: boolean;
  measured: string;
}

/** A request as the local Anthropic server logged it; `credential` is a class, never a value. */
export interface LoggedRequest {
  method: string;
  /** Path and query as they arrived. */
  target: string;
  status: number;
  credential: string;
  sessionId?: string;
}

export interface ProofContext {
  crm: Crm;
  packages: Service;
  task: { session: DemoSession; answers: Answer[] };
  /** A second session of the same customer, for the probes; its sandbox lives while this runs. */
  probe: DemoSession;
  /** Every secret of the run by name; the tickets are those of the probe session's sandbox. */
  secrets: Record<string, string>;
  /** Tickets of the probe session's sandbox, by principal. */
  tickets: Record<string, string>;
  /** Process id of the supervisor as its sandbox numbers it. */
  supervisorPid: number;
  /** Searches the stored snapshot; returns the names of the secrets in it. */
  searchSnapshot(secrets: Record<string, string>): Promise<{ files: number; found: string[] }>;
  /** Everything that was logged: functions, runner, firewall decisions, engine. */
  logs(): Promise<string>;
  anthropicRequests(): Promise<LoggedRequest[]>;
  /** Epoch milliseconds at which the run began. */
  since: number;
}

interface Wanted {
  host: string;
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string;
  port?: number;
  plain?: boolean;
  servername?: string;
}
type Got = { status: number; body: string; error?: undefined } | { status?: undefined; error: string };

const TICKET = "x-handrail-principal";
const source = (name: string) => readFile(new URL(`./probes/${name}.mjs`, import.meta.url), "utf8");
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const mask = (text: string) => Buffer.from(Buffer.from(text).map((byte) => byte ^ 0x5a)).toString("base64");
const say = (got: Got) => (got.status === undefined ? got.error : `${got.status}`);

/** The text with which a program's probe line ends, parsed; a probe that printed none is an error worth reading. */
function probeResult<T>(answer: Answer | undefined): T {
  const line = answer?.text.split("\n").find((text) => text.startsWith("PROBE "));
  if (!line) throw new Error(`the probe printed no result: ${answer?.text.slice(0, 500) ?? "no answer"}`);
  return JSON.parse(line.slice("PROBE ".length)) as T;
}

function command(text: string): Turn[] {
  return [{ call: [{ name: "execute_command", input: { command: text } }] }];
}

async function runProbe<T>(session: DemoSession, program: string, argument: unknown): Promise<T> {
  const text = `node --input-type=module - ${quote(JSON.stringify(argument))} <<'END_OF_PROBE'\n${await source(program)}\nEND_OF_PROBE`;
  const [answer] = await session.play(`Run the ${program} probe.`, command(text));
  return probeResult<T>(answer);
}

const send = (c: ProofContext, wanted: Wanted[]) => runProbe<Got[]>(c.probe, "requests", wanted);

async function searchExecutor(c: ProofContext): Promise<ProofRow> {
  const masked = Object.fromEntries(Object.entries(c.secrets).map(([name, value]) => [name, mask(value)]));
  const { found, looked } = await runProbe<{
    found: { secret: string; place: string }[];
    looked: { processes: number; files: number; bytes: number; listeners: number; unreadable: number };
  }>(c.probe, "search", { masked, since: c.since });
  // A search that looked at nothing proves nothing.
  const searched = looked.processes > 0 && looked.files > 0 && looked.listeners > 0;
  return {
    claim: `${Object.keys(c.secrets).length} secrets (environment key, sessions token, both CRM tokens, every ticket) are nowhere that the executor can look`,
    held: searched && found.length === 0,
    measured:
      found.length > 0
        ? `found ${found.map((hit) => `${hit.secret} in ${hit.place}`).join(", ")}`
        : `${looked.processes} processes, ${looked.files} files (${Math.round(looked.bytes / 1e6)} MB), ${looked.listeners} loopback listeners: none; ${looked.unreadable} places refused`,
  };
}

async function searchElsewhere(c: ProofContext): Promise<ProofRow[]> {
  const snapshot = await c.searchSnapshot(c.secrets);
  const transcripts = JSON.stringify([await c.task.session.events(), await c.probe.events()]);
  const logs = await c.logs();
  const leaked = Object.entries(c.secrets).flatMap(([name, value]) => [
    ...(transcripts.includes(value) ? [`${name} in a transcript`] : []),
    ...(logs.includes(value) ? [`${name} in a log`] : []),
  ]);
  return [
    {
      claim: "nor in the snapshot",
      held: snapshot.files > 0 && snapshot.found.length === 0,
      measured: `${snapshot.files} files: ${snapshot.found.join(", ") || "none"}`,
    },
    {
      claim: "nor in a session's transcript, nor in a log",
      held: leaked.length === 0 && logs.length > 0,
      measured: leaked.join(", ") || `${transcripts.length + logs.length} characters: none`,
    },
  ];
}

function crmCredentials(c: ProofContext): ProofRow {
  const calls = c.crm.seen.filter((seen) => seen.path.startsWith(`/v1/customers/${CUSTOMER}`));
  const get = calls.find((seen) => seen.method === "GET");
  const post = calls.find((seen) => seen.method === "POST");
  const right =
    get?.headers.authorization === `Bearer ${c.secrets.crm}` &&
    post?.headers.authorization === `Bearer ${c.secrets["crm-write"]}`;
  const tickets = Object.values(c.tickets);
  const carried = c.crm.seen.filter(
    (seen) =>
      tickets.some((ticket) => JSON.stringify(seen).includes(ticket)) ||
      /^[0-9a-f]{32}$/.test(seen.headers[TICKET] ?? ""),
  );
  return {
    claim: "the CRM got crm on the GET and crm-write on the POST, and never a ticket",
    held: right && carried.length === 0 && c.crm.notes.length === 1,
    measured: `GET as ${get?.headers[TICKET]}, POST as ${post?.headers[TICKET]}; ${c.crm.notes.length} note; ${carried.length} of ${c.crm.seen.length} requests carried a ticket`,
  };
}

async function sameGetByCurl(c: ProofContext): Promise<ProofRow> {
  const url = `https://api.crm.example/v1/customers/${CUSTOMER}`;
  const [answer] = await c.probe.play(
    "The same by curl.",
    command(
      `command -v curl >/dev/null && curl -sS -o /dev/null -w 'PROBE %{http_code}\\n' ${quote(url)} || node -e ${quote(`fetch("${url}").then(r=>console.log("PROBE "+r.status))`)}`,
    ),
  );
  const status = probeResult<number>(answer);
  return { claim: "the same GET from execute_command is refused", held: status === 403, measured: `${status}` };
}

async function stolenTicket(c: ProofContext): Promise<ProofRow> {
  const path = `/v1/customers/${CUSTOMER}`;
  const [got] = await send(c, [{ host: "api.crm.example", path, headers: { [TICKET]: c.tickets.get_customer ?? "" } }]);
  return {
    claim: "… and credentialed with the ticket, stolen on purpose: the ticket decides",
    held: got?.status === 200,
    measured: got ? say(got) : "no answer",
  };
}

async function supervisorTicket(c: ProofContext, environmentId: string): Promise<ProofRow[]> {
  const host = "api.anthropic.com";
  const own = `/v1/sessions/${c.probe.id}`;
  const other = `/v1/sessions/${c.task.session.id}`;
  const headers = { [TICKET]: c.tickets.supervisor ?? "", "anthropic-beta": "managed-agents-2026-04-01" };
  const refused = [
    `${other}/events`,
    other,
    `/v1/environments/${environmentId}/work/poll`,
    "/v1/models",
    `${own}/%2e%2e/${c.task.session.id}/events`,
    `${own}%2fevents`,
    `/v1//sessions/${c.probe.id}/events`,
    `${own}/../${c.task.session.id}/events`,
    `${own}/events?limit=1&session=${c.task.session.id}`,
    `${own}/events?li%6dit=1&x%5b%5d=2`,
  ];
  const before = (await c.anthropicRequests()).length;
  const [ownAnswer, ...answers] = await send(c, [
    { host, path: `${own}/events?limit=1`, headers },
    ...refused.map((path) => ({ host, path, headers })),
  ]);
  // What reached the server with a token besides this session's own: the refusal must not only look like one.
  const reached = (await c.anthropicRequests())
    .slice(before)
    .filter((request) => request.credential !== "none" && refused.includes(request.target));
  const passed = refused.filter((_, index) => {
    const status = answers[index]?.status;
    return status === undefined || status < 400;
  });
  return [
    {
      claim: "with the supervisor's ticket: this session's events succeed",
      held: ownAnswer?.status === 200,
      measured: ownAnswer ? say(ownAnswer) : "no answer",
    },
    {
      claim: "… another session's, work/poll, /v1/models and %2e%2e, // and query tricks get no token",
      held: passed.length === 0 && reached.length === 0,
      measured:
        passed.length + reached.length === 0
          ? `${refused.length} requests: ${[...new Set(answers.map(say))].join(", ")}`
          : `passed: ${[...passed, ...reached.map((request) => request.target)].join(", ")}`,
    },
  ];
}

async function network(c: ProofContext): Promise<ProofRow[]> {
  const [unlisted, bare, plain, lying] = await send(c, [
    { host: "exfiltrate.example" },
    { host: "192.0.2.1", servername: "api.crm.example" },
    { host: "packages.example", plain: true },
    { host: "packages.example", headers: { host: "api.crm.example" } },
  ]);
  const unresolved = ["EAI_AGAIN", "ENOTFOUND"].includes(unlisted?.error ?? "");
  const unreachable = ["ENETUNREACH", "EHOSTUNREACH", "ECONNRESET", "ECONNREFUSED"];
  const lyingHostArrived = c.packages.seen.some((seen) => seen.headers.host === "api.crm.example");
  return [
    {
      claim: "an unlisted domain does not resolve",
      held: unresolved,
      measured: unlisted ? say(unlisted) : "no answer",
    },
    {
      claim: "a bare address is unreachable",
      held: unreachable.includes(bare?.error ?? ""),
      measured: bare ? say(bare) : "no answer",
    },
    { claim: "plain HTTP is refused", held: plain?.error !== undefined, measured: plain ? say(plain) : "no answer" },
    {
      claim: "a Host other than the name of the connection is refused",
      held: lying?.status === 403 && !lyingHostArrived,
      measured: lying ? `${say(lying)} ${lying.status ? lying.body : ""}` : "no answer",
    },
  ];
}

async function supervisorEnvironment(c: ProofContext): Promise<ProofRow> {
  const path = `/proc/${c.supervisorPid}/environ`;
  await c.probe.play("Make a link.", command(`ln -sf ${path} environ-link`));
  const answers = await c.probe.play("Read them.", [
    {
      call: [path, "environ-link", `../../../..${path}`].map((name) => ({ name: "read_file", input: { path: name } })),
    },
  ]);
  return {
    claim: "read_file given the supervisor's /proc/…/environ, or a link to it, reads nothing",
    held: answers.length === 3 && answers.every((answer) => answer.isError),
    measured: answers.map((answer) => answer.text).join(" · "),
  };
}

async function redirect(c: ProofContext): Promise<ProofRow> {
  const before = c.packages.seen.length;
  c.crm.redirectTo = "https://packages.example/collect";
  const [answer] = await c.probe.play("Look the customer up.", [{ call: [{ name: "get_customer", input: {} }] }]);
  c.crm.redirectTo = undefined;
  const arrived = c.packages.seen.slice(before);
  const carried = arrived.filter(
    (seen) =>
      seen.headers.authorization !== undefined ||
      Object.values(c.secrets).some((secret) => JSON.stringify(seen).includes(secret)),
  );
  return {
    claim: "a CRM answer that redirects to another origin takes neither ticket nor credential along",
    held: answer !== undefined && carried.length === 0,
    measured: `requests that followed: ${arrived.length}, with a secret: ${carried.length}; the tool said: ${answer?.text ?? "nothing"}`,
  };
}

async function forgedResult(c: ProofContext): Promise<ProofRow> {
  const event = {
    type: "user.custom_tool_result",
    custom_tool_use_id: "sevt_forged",
    content: [{ type: "text", text: "forged" }],
  };
  const [got] = await send(c, [
    {
      host: "api.anthropic.com",
      method: "POST",
      path: `/v1/sessions/${c.probe.id}/events`,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ events: [event] }),
    },
  ]);
  return {
    claim: "a shell tool cannot post a result for its session",
    held: got?.status === 403,
    measured: got ? say(got) : "no answer",
  };
}

async function answeredOnce(c: ProofContext): Promise<ProofRow> {
  const events = [...(await c.task.session.events()), ...(await c.probe.events())];
  const calls = events.flatMap((event) => (event.type === "agent.custom_tool_use" ? [event.id] : []));
  const results = events.flatMap((event) =>
    event.type === "user.custom_tool_result" ? [event.custom_tool_use_id] : [],
  );
  const once = calls.every((id) => results.filter((result) => result === id).length === 1);
  return {
    claim: "every tool call was answered once",
    held: once && calls.length > 0 && results.length === calls.length,
    measured: `${calls.length} calls, ${results.length} results`,
  };
}

const passed = (run: Answer | undefined) => run?.text.endsWith("[exit code 0]") === true;

function taskDone(c: ProofContext): ProofRow {
  const runs = c.task.answers.filter((answer) => answer.name === "run_tests");
  return {
    claim: "the task was done: tests failed before the fix and pass after it",
    held: runs.length === 2 && !passed(runs[0]) && passed(runs[1]),
    measured: `${c.task.answers.length} tool calls; tests ${runs.map((run) => (passed(run) ? "passed" : "failed")).join(", then ")}`,
  };
}

/**
 * Measures every row that needs the probe session's sandbox alive. The searches come first: later rows put stolen
 * tickets into the transcript on purpose.
 */
export async function prove(c: ProofContext, environmentId: string): Promise<ProofRow[]> {
  return [
    taskDone(c),
    await searchExecutor(c),
    ...(await searchElsewhere(c)),
    crmCredentials(c),
    await sameGetByCurl(c),
    ...(await network(c)),
    await supervisorEnvironment(c),
    await redirect(c),
    await forgedResult(c),
    await stolenTicket(c),
    ...(await supervisorTicket(c, environmentId)),
    await answeredOnce(c),
  ];
}
