/**
 * What the supervisor and an executor say to each other: one JSON value a line, over the executor's stdin and stdout.
 *
 * The executor runs whatever Claude asks for, under one uid with it, so the supervisor takes every line as coming from
 * an attacker: checked against a schema, bounded in length, answered only where a call is waiting.
 */
import { z } from "zod";

/** Longest line in bytes: the largest result with every character escaped by JSON, and some. */
export const MAX_LINE_BYTES = 2 * 1024 * 1024;

/** Largest text of a result, in characters; see the caps of files.ts and commands.ts, which are below it. */
export const MAX_RESULT_CHARS = 300 * 1024;

const capabilities = z.string().regex(/^[0-9a-f]{16}$/);

/** First line of an executor: what it is, as the kernel says it (`/proc/self/status`). */
export const readySchema = z.strictObject({
  type: z.literal("ready"),
  uid: z.int(),
  gid: z.int(),
  groups: z.array(z.int()),
  noNewPrivileges: z.boolean(),
  /** Effective, permitted, inheritable, bounding and ambient capabilities as the kernel's 64-bit masks. */
  capabilities: z.strictObject({
    effective: capabilities,
    permitted: capabilities,
    inheritable: capabilities,
    bounding: capabilities,
    ambient: capabilities,
  }),
  /** `readlink /proc/self/ns/pid` and `…/net`, to compare with the supervisor's own. */
  pidNamespace: z.string().max(64),
  networkNamespace: z.string().max(64),
  loopback: z.boolean(),
  /** Of the paths that must not change (see changeable.ts), those that this process could change. */
  changeable: z.array(z.string().max(4096)),
});

/** An executor's self-description. */
export type Ready = z.infer<typeof readySchema>;

/** The end of a call. */
export const resultSchema = z.strictObject({
  type: z.literal("result"),
  id: z.string().max(200),
  ok: z.boolean(),
  text: z.string().max(MAX_RESULT_CHARS),
});

/** What an executor sends. */
export const fromExecutorSchema = z.discriminatedUnion("type", [readySchema, resultSchema]);

/** What an executor is sent. */
export const toExecutorSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("call"), id: z.string(), tool: z.string(), input: z.unknown() }),
  /** Ends a call; its result says the reason and, for a command, what it had written. */
  z.strictObject({ type: z.literal("cancel"), id: z.string(), reason: z.string() }),
]);

/** A message to an executor. */
export type ToExecutor = z.infer<typeof toExecutorSchema>;

/** A message from an executor. */
export type FromExecutor = z.infer<typeof fromExecutorSchema>;

/** The peer sent something that is no line of this protocol. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/**
 * Splits a byte stream into lines.
 *
 * @throws ProtocolError when a line grows beyond {@link MAX_LINE_BYTES}; what comes after it is not read.
 */
export async function* lines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let pending: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      pending.push(chunk.subarray(start, end));
      if (size + end - start > MAX_LINE_BYTES) throw tooLong();
      yield Buffer.concat(pending).toString("utf8");
      pending = [];
      size = 0;
      start = end + 1;
    }
    const rest = chunk.subarray(start);
    size += rest.length;
    if (size > MAX_LINE_BYTES) throw tooLong();
    if (rest.length > 0) pending.push(rest);
  }
}

function tooLong(): ProtocolError {
  return new ProtocolError(`a line is longer than ${MAX_LINE_BYTES} bytes`);
}

/**
 * Parses one line from an executor.
 *
 * @throws ProtocolError without quoting the line.
 */
export function parseFromExecutor(line: string): FromExecutor {
  return parse(fromExecutorSchema, line);
}

/**
 * Parses one line from the supervisor.
 *
 * @throws ProtocolError without quoting the line.
 */
export function parseToExecutor(line: string): ToExecutor {
  return parse(toExecutorSchema, line);
}

function parse<T>(schema: z.ZodType<T>, line: string): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ProtocolError("a line is not JSON");
  }
  const result = schema.safeParse(value);
  if (!result.success) throw new ProtocolError(`a line has the wrong shape: ${result.error.issues[0]?.message}`);
  return result.data;
}
