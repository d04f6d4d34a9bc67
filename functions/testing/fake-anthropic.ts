/** The part of Anthropic's API that the control plane calls, for tests: a queue of items and the sessions behind it. */
import { type Reply, startServer, type TestServer } from "./http.ts";

/** A work item in the fake's queue. */
export interface FakeItem {
  readonly id: string;
  readonly data: { type: string; id: string };
  readonly secret: string | null;
}

/** The fake's state, to be set up and looked at. */
export interface FakeAnthropic extends TestServer {
  readonly queue: (FakeItem | "instance-not-found")[];
  readonly sessions: Map<string, { status: string; metadata: Record<string, string>; archived_at: string | null }>;
  /** What the queue's stats say; null: not known. */
  workersPolling: number | null;
  readonly acked: string[];
  readonly stopped: string[];
  /** Adds a session with a work item whose id is the session's, as in production. */
  addSession(
    id: string,
    o?: { metadata?: Record<string, string>; secret?: string | null; status?: string; archivedAt?: string },
  ): void;
}

/** A work item's secret as it comes on the wire. */
export function workSecret(token: string): string {
  const bundle = { sessions_token: token, api_base_url: "https://elsewhere.example", other: "not for us" };
  return Buffer.from(JSON.stringify(bundle)).toString("base64url");
}

export async function startFakeAnthropic(environmentId: string, environmentKey: string): Promise<FakeAnthropic> {
  const queue: FakeAnthropic["queue"] = [];
  const sessions: FakeAnthropic["sessions"] = new Map();
  const acked: string[] = [];
  const stopped: string[] = [];
  const problem = (status: number, type: string, message: string): Reply => ({
    status,
    body: { type: "error", error: { type, message }, request_id: "req_1" },
  });

  const server = await startServer(({ method, path, headers }) => {
    if (headers.authorization !== `Bearer ${environmentKey}`) return problem(401, "authentication_error", "no");
    const [, , kind, id, sub, work, verb] = path.split("/");
    if (kind === "sessions" && method === "GET" && id !== undefined) {
      const session = sessions.get(id);
      if (session === undefined) return problem(404, "not_found_error", "no such session");
      return { status: 200, body: { id, type: "session", ...session } };
    }
    if (kind !== "environments" || id !== environmentId || sub !== "work") return problem(404, "not_found_error", path);
    if (work === "stats") {
      const counts = { depth: 0, pending: 0, oldest_queued_at: null, workers_polling: result.workersPolling };
      return { status: 200, body: { type: "work_queue_stats", ...counts } };
    }
    if (work === "poll") {
      const next = queue.shift();
      if (next === "instance-not-found") {
        return problem(404, "not_found_error", "EnvironmentInstance not found for session sesn_gone");
      }
      if (next === undefined) return { status: 200, body: null };
      // Undocumented and personal: must never be logged.
      const actor = { type: "user", email: "somebody@people.example" };
      return { status: 200, body: { ...next, type: "work", environment_id: id, state: "queued", metadata: {}, actor } };
    }
    if (verb === "ack") acked.push(work ?? "");
    if (verb === "stop") stopped.push(work ?? "");
    return { status: 200, body: { id: work, type: "work", environment_id: id, state: verb } };
  });
  const result: FakeAnthropic = Object.assign(server, {
    queue,
    workersPolling: 1,
    sessions,
    acked,
    stopped,
    addSession(id: string, o: Parameters<FakeAnthropic["addSession"]>[1] = {}) {
      const metadata = o.metadata ?? { customer: "cus_1" };
      sessions.set(id, { status: o.status ?? "running", metadata, archived_at: o.archivedAt ?? null });
      const secret = o.secret === undefined ? workSecret(`sk-ant-req-token-of-${id}`) : o.secret;
      queue.push({ id, data: { type: "session", id }, secret });
    },
  });
  return result;
}
