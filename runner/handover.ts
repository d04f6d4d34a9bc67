/**
 * The handover: what the control plane tells the supervisor about the work it claimed.
 *
 * It travels in the environment of `boot.sh` and from there on an inherited descriptor. It holds no credential, but it
 * does hold the tickets, so it must reach neither a file, nor a log, nor an error message.
 */
import { closeSync, readFileSync } from "node:fs";
import { z } from "zod";
import { TICKET } from "../policies/engine/ticket.ts";
import { HANDOVER_MAX_BYTES } from "./vm.ts";

const id = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, "must be an id: letters, digits, _ and -");
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be sha256:<64 hex digits>");

/** Schema of the handover. Unknown keys are refused: both sides are released together, so one would be a mistake. */
export const handoverSchema = z.strictObject({
  version: z.literal(1),
  environmentId: id,
  /** The claimed work item. In production it equals the session's id and comes again each turn (§3 of the contract). */
  workId: id,
  sessionId: id,
  /** Base URL of the Anthropic API as the sandbox reaches it, without a path. */
  anthropicBaseUrl: z.url({ protocol: /^https?$/ }),
  /** When the supervisor must be done, in epoch ms: earlier than the sandbox's own timeout. */
  deadlineMs: z.int().positive(),
  /** How long the runner stays after a turn has ended, in ms; 0 or less: until the deadline. */
  maxIdleMs: z.int(),
  /** Values bound at spawn, by the lock's variable names (`session`, `work`, `environment`, `customer`, …). */
  variables: z.record(z.string(), z.string().regex(/^[A-Za-z0-9_-]+$/, "may hold letters, digits, _ and - only")),
  /** Ticket by principal: 128 bits as 32 lower-case hex digits. */
  tickets: z.record(z.string(), z.string().regex(TICKET, "must be 32 lower-case hex digits")),
  policyDigest: digest,
  runnerDigest: digest,
});

/** What one run of the supervisor is told. */
export type Handover = z.infer<typeof handoverSchema>;

/** The handover is missing, malformed or too large. Its message names fields, never values. */
export class HandoverError extends Error {
  override name = "HandoverError";
}

/**
 * Checks a handover and writes it as the one line that `boot.sh` takes in `HANDRAIL_HANDOVER`.
 *
 * @throws HandoverError when a field is wrong, or when the line exceeds {@link HANDOVER_MAX_BYTES}.
 */
export function serializeHandover(handover: Handover): string {
  const line = JSON.stringify(check(handover));
  const size = Buffer.byteLength(line);
  if (size > HANDOVER_MAX_BYTES) {
    throw new HandoverError(
      `the handover is ${size} bytes, more than the ${HANDOVER_MAX_BYTES} that a shell passes without a temporary ` +
        "file: shorten the values of the policy's variables, or split the agent's API tools over several agents",
    );
  }
  return line;
}

/**
 * Parses what arrived on the descriptor.
 *
 * @throws HandoverError naming the field and what it should be.
 */
export function parseHandover(text: string): Handover {
  if (text.trim() === "") {
    throw new HandoverError("the handover is empty: start the runner through boot.sh with HANDRAIL_HANDOVER set");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and the text holds tickets.
    throw new HandoverError("the handover is not JSON");
  }
  return check(value);
}

/**
 * Reads the handover from an inherited descriptor and closes it, so that no child process can inherit it.
 *
 * @throws HandoverError when the descriptor is not open or holds no handover.
 */
export function readHandover(fd: number): Handover {
  let text: string;
  try {
    text = readFileSync(fd, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new HandoverError(`no handover on descriptor ${fd} (${code}): start the runner through boot.sh`);
  }
  closeSync(fd);
  return parseHandover(text);
}

function check(value: unknown): Handover {
  const result = handoverSchema.safeParse(value);
  if (result.success) return result.data;
  // zod's messages name what was expected, not what was found; keys of records are principals and variable names.
  const issues = result.error.issues.map((issue) => `${issue.path.join(".") || "handover"}: ${issue.message}`);
  throw new HandoverError(`the handover is not valid: ${issues.join("; ")}`);
}
