/**
 * What the firewall decided, one entry an event, for people and tests.
 *
 * An entry never holds a header value, a query or a body: those may be credentials or a customer's data.
 */
export interface DecisionEntry {
  /** Epoch ms. */
  at: number;
  /** Name of the sandbox that asked. */
  sandbox: string;
  sessionId: string;
  kind: "name" | "connection" | "request";
  /** Host asked for, or null when a connection named none. */
  host: string | null;
  method?: string;
  /** Path as sent, without the query. */
  path?: string;
  outcome: "denied" | "answered" | "plain" | "credentialed" | "forwarded" | "resolved" | "refused";
  /** Policy key that decided, and the index of the rule in its list. */
  domain: string | null;
  rule: number | null;
  principal: string | null;
  /** Status that the guest was given, once known. */
  status?: number;
  why: string;
}

/** A bounded, in-memory log, oldest first. */
export interface DecisionLog {
  add(entry: DecisionEntry): DecisionEntry;
  /** Entries, of one sandbox when it is named. */
  list(sandbox?: string): DecisionEntry[];
}

/** @param limit Entries kept; the oldest go first. */
export function createDecisionLog(limit = 10_000): DecisionLog {
  const entries: DecisionEntry[] = [];
  return {
    add(entry) {
      entries.push(entry);
      if (entries.length > limit) entries.shift();
      return entry;
    },
    list: (sandbox) => entries.filter((entry) => sandbox === undefined || entry.sandbox === sandbox),
  };
}
