/** Serves one claimed work item with the SDK's worker, from the first heartbeat to the stop, and says how it ended. */
import Anthropic from "@anthropic-ai/sdk";
import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool";
import type { BrokeredFetch } from "../fetch/brokered-fetch.ts";
import type { Handover } from "../handover.ts";
import type { Calls } from "./calls.ts";
import { planDeadline } from "./deadline.ts";
import type { Log } from "./log.ts";
import { type Outcome, OutcomeRecord } from "./outcome.ts";
import { type ObservedCall, SessionObserver } from "./session-observer.ts";
import { type TrafficListener, watchFetch } from "./watched-fetch.ts";

/** What {@link serveWork} needs. */
export interface WorkOptions {
  readonly handover: Handover;
  /** The supervisor's own brokered `fetch`. */
  readonly fetch: BrokeredFetch;
  readonly tools: BetaRunnableTool[];
  readonly calls: Calls;
  readonly log: Log;
  /** Aborts on SIGTERM and SIGINT. */
  readonly shutdown: AbortSignal;
  readonly now: () => number;
}

/**
 * Stands for the sessions token, which only the firewall has. The SDK asks for a token string and for a work secret that
 * holds one, and sends it as the bearer that the firewall overwrites (contracts/claude-managed-agents.md §4.1).
 */
const PLACEHOLDER_TOKEN = "injected-by-the-firewall";
const PLACEHOLDER_SECRET = Buffer.from(JSON.stringify({ sessions_token: PLACEHOLDER_TOKEN })).toString("base64url");

/** Only for skills, which this project bakes into the image: where nobody can write, a download fails and is logged. */
const WORKDIR = "/proc/handrail-has-no-skills";

const QUIET_MS = 1000;
const LAST_ANSWERS_MS = 10_000;

/** Serves the item. Does not throw: what goes wrong is logged and becomes the outcome. */
export async function serveWork(options: WorkOptions): Promise<Outcome> {
  const { handover, fetch, tools, calls, log, shutdown, now } = options;
  const { sessionId, environmentId, workId } = handover;
  const outcome = new OutcomeRecord();
  const worker = new AbortController();
  const api = client(handover, fetch, log);

  const end = (reason: Outcome, message: string, quietMs: number, limitMs: number) => {
    if (!outcome.note(reason)) return;
    log("warn", "run.ending", { outcome: reason, open_calls: calls.unanswered });
    calls.close(new Error(message));
    // The running call gets its error result first, by way of the SDK; then the item is let go.
    void calls
      .quiet(quietMs, AbortSignal.any([AbortSignal.timeout(limitMs), worker.signal]))
      .then(() => worker.abort());
  };

  const answerWithError = async (call: Pick<ObservedCall, "id" | "type">, text: string) => {
    const content = [{ type: "text" as const, text }];
    const event =
      call.type === "agent.tool_use"
        ? { type: "user.tool_result" as const, tool_use_id: call.id, is_error: true, content }
        : { type: "user.custom_tool_result" as const, custom_tool_use_id: call.id, is_error: true, content };
    try {
      await api.beta.sessions.events.send(sessionId, { events: [event] }, { timeout: LAST_ANSWERS_MS });
      log("info", "call.answered_with_error", { call: call.id });
    } catch (error) {
      log("warn", "call.left_open", { call: call.id, status: (error as { status?: number }).status ?? null });
    }
    calls.answered(call.id);
  };

  const names = tools.map((tool) => tool.name);
  const observer = new SessionObserver(new Set(names), {
    interrupted(open) {
      log("info", "session.interrupted", { open_calls: open });
      calls.interrupt(open);
    },
    unserved(call) {
      log("warn", "call.unserved", { call: call.id, tool: call.name });
      void answerWithError(call, `There is no tool ${call.name} here. The tools are: ${names.join(", ")}.`);
    },
  });

  const refused = new Set<string>();
  const traffic: TrafficListener = {
    refused(route, status, detail) {
      if (route === "heartbeat" && status === 412) outcome.note("lease_lost");
      if ((status === 401 || status === 403) && route !== "stop") {
        log("error", "token.refused", { route, status, detail });
        // Where sending is what was refused, waiting for another answer to be sent is idle.
        const limitMs = route === "send" ? 0 : LAST_ANSWERS_MS;
        end("token_ended", "The session's token ended before the call was done", QUIET_MS, limitMs);
      }
    },
    stopRequested: () => void outcome.note("stopped"),
    event: (value, source) => observer.ingest(value, source),
    resultSent(callId, status, detail) {
      if (status < 300) return calls.answered(callId);
      // The SDK tries these again; an ended token is dealt with above.
      if (status >= 500 || [401, 403, 408, 409, 429].includes(status) || refused.has(callId)) return;
      // A refused result stays unanswered, and the SDK would run the call again at the next reconnect (traps.md 19).
      refused.add(callId);
      log("warn", "result.refused", { call: callId, status });
      const text = `The call was done, but its result was refused (HTTP ${status}): ${detail}`;
      void answerWithError({ id: callId, type: observer.callType(callId) }, text);
    },
  };

  const plan = planDeadline(now(), handover.deadlineMs);
  const timers = [
    at(plan.drainAt, now, () => {
      const message = "The sandbox's time is up: the call was ended, and no other will be run in this turn";
      end("deadline", message, plan.abortAt - plan.drainAt, plan.abortAt - plan.drainAt);
    }),
    at(plan.abortAt, now, () => worker.abort()),
  ];
  const onShutdown = () =>
    end("signalled", "The sandbox is being stopped: the call was ended", QUIET_MS, LAST_ANSWERS_MS);
  shutdown.addEventListener("abort", onShutdown, { once: true });
  if (shutdown.aborted) onShutdown();

  const watched = client(handover, watchFetch(fetch, handover, traffic), log, (message) => {
    // The one end that shows on no answer: no heartbeat came through for longer than the lease.
    if (message.startsWith("lease assumed lost")) outcome.note("lease_lost");
  });
  try {
    await watched.beta.environments.work
      .worker({
        workdir: WORKDIR,
        tools,
        environmentKey: PLACEHOLDER_TOKEN,
        maxIdleMs: handover.maxIdleMs,
        // Memory stores would be files that the supervisor writes; all file access is the executor's.
        memorySyncIntervalMs: null,
        signal: worker.signal,
      })
      .handleItem({ workId, environmentId, sessionId, workSecret: PLACEHOLDER_SECRET });
    outcome.note("ended");
  } catch (error) {
    log("error", "run.failed", { error });
    outcome.note("failed");
  } finally {
    for (const timer of timers) clearTimeout(timer);
    shutdown.removeEventListener("abort", onShutdown);
    worker.abort();
  }
  if (outcome.value !== "lease_lost") {
    const text = "The runner ended before the call was answered. It may have taken effect in part.";
    await Promise.all(calls.unanswered.map((id) => answerWithError({ id, type: observer.callType(id) }, text)));
  }
  return outcome.value ?? "failed";
}

/** A client that holds no credential and reads none from the environment. */
function client(handover: Handover, fetch: BrokeredFetch, log: Log, onMessage?: (message: string) => void): Anthropic {
  const record =
    (level: "debug" | "info" | "warn" | "error") =>
    (message: string, ...rest: unknown[]) => {
      onMessage?.(message);
      log(level, "sdk", { message, details: rest[0] });
    };
  return new Anthropic({
    authToken: PLACEHOLDER_TOKEN,
    baseURL: handover.anthropicBaseUrl,
    // The SDK passes a string, an init and strings as bodies: what the brokered fetch takes.
    fetch: fetch as unknown as typeof globalThis.fetch,
    logLevel: "info",
    logger: { debug: record("debug"), info: record("info"), warn: record("warn"), error: record("error") },
  });
}

function at(time: number, now: () => number, run: () => void): NodeJS.Timeout {
  // A timer cannot wait longer than 2^31 ms, and no sandbox lives as long.
  return setTimeout(run, Math.min(Math.max(0, time - now()), 2 ** 31 - 1));
}
