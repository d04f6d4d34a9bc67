import { randomBytes } from "node:crypto";

/**
 * Request header that tells the firewall which principal sends. Its value is a ticket on the way into the firewall, and
 * the principal's name on the way out: every rule that lets a request through overwrites it.
 */
export const TICKET_HEADER = "x-handrail-principal";

/** What a ticket looks like: 128 bits as 32 lower-case hex digits. */
export const TICKET = /^[0-9a-f]{32}$/;

/** A new ticket: random, one for each sandbox, claim and principal. */
export function newTicket(): string {
  return randomBytes(16).toString("hex");
}
