/** What an error says to the person whose `pulumi up` it ended. */
import { APIError as AnthropicError } from "@anthropic-ai/sdk";
import { APIError as SandboxError } from "@vercel/sandbox";
import { z } from "zod";

/** Both APIs' bodies say it below `error`. */
const body = z.looseObject({ error: z.looseObject({ message: z.string() }) });

/** The SDKs' own messages are whole JSON bodies, or say only that a request failed. */
export function errorWords(error: unknown): string {
  if (error instanceof AnthropicError) {
    const said = body.safeParse(error.error).data?.error.message ?? error.message;
    if (error.status === undefined) return `Anthropic cannot be reached: ${networkWords(error) ?? said}`;
    return `Anthropic answered HTTP ${error.status}: ${said}${error.requestID ? ` (${error.requestID})` : ""}`;
  }
  if (error instanceof SandboxError) {
    const said = body.safeParse(error.json).data?.error.message ?? error.message;
    return `Vercel Sandbox answered HTTP ${error.response.status}: ${said}`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** The innermost cause: "fetch failed" and "Connection error." tell nobody which address refuses. */
function networkWords(error: Error): string | undefined {
  let cause: unknown = error.cause;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause instanceof Error ? cause.message : undefined;
}
