/** What the control plane asks of Anthropic, with the environment key: claim work and read the session behind it. */
import { Anthropic } from "@anthropic-ai/sdk";

/** The part of the SDK's client that is used here. */
export interface AnthropicLike {
  readonly beta: {
    readonly environments: {
      readonly work: {
        poll(
          environmentId: string,
          params: { reclaim_older_than_ms: number; "Anthropic-Worker-ID": string },
          options?: RequestOptions,
        ): PromiseLike<unknown>;
        stats(environmentId: string, params?: undefined, options?: RequestOptions): PromiseLike<unknown>;
        ack(workId: string, params: { environment_id: string }, options?: RequestOptions): PromiseLike<unknown>;
        stop(
          workId: string,
          params: { environment_id: string; force: boolean },
          options?: RequestOptions,
        ): PromiseLike<unknown>;
      };
    };
    readonly sessions: {
      retrieve(sessionId: string, params?: undefined, options?: RequestOptions): PromiseLike<unknown>;
    };
  };
}

interface RequestOptions {
  readonly signal?: AbortSignal;
  /** The SDK's own repetitions. */
  readonly maxRetries?: number;
}

/** The SDK's client with the environment key, which `authToken` keeps the only credential that it may use. */
export function anthropicClient(o: { environmentKey: string; baseURL: string }): AnthropicLike {
  return new Anthropic({ authToken: o.environmentKey, baseURL: o.baseURL, timeout: 30_000, logLevel: "off" });
}

/** HTTP status of an error of either SDK, or undefined when no answer came. */
export function statusOf(error: unknown): number | undefined {
  const { status, response } = (error ?? {}) as { status?: unknown; response?: { status?: unknown } };
  const value = status ?? response?.status;
  return typeof value === "number" ? value : undefined;
}
