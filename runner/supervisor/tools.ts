/** The agent's tools in the shape that the SDK's runner takes, each sent to the process that its kind belongs to. */
import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool";
import type { BrokeredFetch } from "../fetch/brokered-fetch.ts";
import type { ApiContext, Tool } from "../tool.ts";
import type { Calls } from "./calls.ts";
import type { ExecutorNetwork } from "./isolation.ts";
import type { Log } from "./log.ts";

/** Runs a call in an executor. */
export interface CallsExecutor {
  call(id: string, tool: string, input: unknown, signal: AbortSignal): Promise<string>;
}

/** What {@link servedTools} needs. */
export interface ServedToolsOptions {
  readonly tools: readonly Tool[];
  readonly executors: {
    readonly files: CallsExecutor;
    readonly commands: Readonly<Record<ExecutorNetwork, CallsExecutor>>;
  };
  /** The `fetch` of an API tool's own principal. */
  readonly fetchOf: (principal: string) => BrokeredFetch;
  readonly variables: Readonly<Record<string, string>>;
  readonly calls: Calls;
  readonly log: Log;
  readonly now: () => number;
}

/** Makes the tools. Inputs and outputs are not logged: they belong to the session. */
export function servedTools(options: ServedToolsOptions): BetaRunnableTool[] {
  const { tools, executors, fetchOf, variables, calls, log, now } = options;
  return tools.map((tool) => {
    const run = start(tool, executors, fetchOf, variables);
    return tool.runnable(async (input, { id, signal }) => {
      const started = now();
      const record = { tool: tool.name, kind: tool.kind, call: id, rerun: tool.rerun };
      try {
        const text = await calls.run(id, tool.timeoutMs, signal, (callSignal) => run(id, input, callSignal));
        log("info", "tool.done", { ...record, ok: true, ms: now() - started, chars: text.length });
        return text;
      } catch (error) {
        log("info", "tool.done", { ...record, ok: false, ms: now() - started });
        throw error;
      }
    });
  });
}

type Start = (id: string, input: unknown, signal: AbortSignal) => Promise<string>;

function start(
  tool: Tool,
  executors: ServedToolsOptions["executors"],
  fetchOf: ServedToolsOptions["fetchOf"],
  variables: ApiContext["variables"],
): Start {
  if (tool.kind === "api") {
    const api = tool as Tool<"api">;
    const fetch = fetchOf(tool.name);
    return (callId, input, signal) => api.run(input, { callId, signal, fetch, variables });
  }
  const { files, commands } = executors;
  const executor = tool.kind === "file" ? files : commands[tool.network === "none" ? "none" : "sandbox"];
  return (id, input, signal) => executor.call(id, tool.name, input, signal);
}
