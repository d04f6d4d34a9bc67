/** The supervisor's log: one JSON object a line on stdout, without any ticket. */

/** Writes one record. `event` names what happened, in dotted lower case; fields are ids and numbers, no contents. */
export type Log = (level: "debug" | "info" | "warn" | "error", event: string, fields?: Record<string, unknown>) => void;

/** Takes every ticket out of a text. */
export type Redact = (text: string) => string;

/** Makes the function that takes tickets out of texts: logs, error messages, results of tools. */
export function createRedact(tickets: Readonly<Record<string, string>>): Redact {
  const known = Object.entries(tickets);
  return (text) => {
    let clean = text;
    for (const [principal, ticket] of known) clean = clean.replaceAll(ticket, `[ticket of ${principal}]`);
    return clean;
  };
}

/** Makes a log that writes lines through `write`. */
export function createLog(write: (line: string) => void, redact: Redact, now: () => number = Date.now): Log {
  return (level, event, fields = {}) => {
    const record = { time: new Date(now()).toISOString(), level, event, ...fields };
    write(`${redact(JSON.stringify(record, describeErrors))}\n`);
  };
}

function describeErrors(_key: string, value: unknown): unknown {
  return value instanceof Error ? `${value.name}: ${value.message}` : value;
}
