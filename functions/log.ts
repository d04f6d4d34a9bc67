/**
 * The control plane's log: one JSON object a line, secrets taken out.
 *
 * Work items carry fields that nobody documented, personal data among them (contract §3, `actor`), so nothing logs a
 * foreign object: an event names the few fields that it wants.
 */

/** What a log line may hold beside its event name. Flat on purpose: a nested object is somebody else's. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | readonly string[] | undefined>>;

/** Where events go. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** The same log for one claim, which can hide what this claim alone knows. */
  forClaim(): ClaimLog;
}

/** A claim's log. Sessions tokens, tickets and a customer's credentials are new with each claim. */
export interface ClaimLog extends Log {
  /** Takes these out of every later line, in all the forms of {@link redact}. */
  hide(values: readonly string[]): void;
  /** A text as this log would write it, for where another log is to write it. */
  clean(text: string): string;
}

type Level = "info" | "warn" | "error";

/** Shorter values are not worth replacing and would blank out ordinary words. */
const MIN_SECRET_LENGTH = 8;

/** Longest text of a field, in characters: keeps a line readable. */
const MAX_TEXT_LENGTH = 500;

/**
 * Makes a log that writes JSON lines and replaces every occurrence of a secret by `[redacted]`.
 *
 * @param secrets values that must never appear, e.g. the environment key; short ones (under 8 characters) are ignored
 * @param write receives one line, without its line end
 */
export function createLog(secrets: readonly string[], write: (line: string) => void = console.log): Log {
  return logWith([...secrets], write);
}

function logWith(hidden: string[], write: (line: string) => void): ClaimLog {
  const clean = (text: string) => redact(text, hidden);
  // Cut only then: half a secret would not be found.
  const shown = (value: LogFields[string]) => {
    if (typeof value === "string") return cut(clean(value));
    return Array.isArray(value) ? value.map((text: string) => cut(clean(text))) : value;
  };
  const at =
    (level: Level) =>
    (event: string, fields: LogFields = {}): void => {
      const entries = Object.entries(fields).map(([name, value]) => [name, shown(value)]);
      write(JSON.stringify({ level, event, ...Object.fromEntries(entries) }));
    };
  return {
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    forClaim: () => logWith([...hidden], write),
    hide: (values) => void hidden.push(...values),
    clean,
  };
}

/**
 * A text with every occurrence of a secret replaced by `[redacted]`, also where the text quotes it inside a string of
 * JSON or in percent escapes. Secrets under 8 characters are ignored.
 */
export function redact(text: string, secrets: readonly string[]): string {
  const needles = new Set(secrets.flatMap(spellings).filter(({ length }) => length >= MIN_SECRET_LENGTH));
  // Longest first, in case that one secret holds another.
  const ordered = [...needles].sort((a, b) => b.length - a.length);
  return ordered.reduce((redacted, needle) => redacted.replaceAll(needle, "[redacted]"), text);
}

/** As it is, in JSON, in JSON inside of JSON, and in percent escapes of it and of the JSON that holds it. */
function spellings(secret: string): string[] {
  const inJson = escaped(secret);
  return [secret, inJson, escaped(inJson), encodeURIComponent(secret), encodeURIComponent(inJson)];
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function cut(text: string): string {
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
}

/** The message of whatever was thrown, whole. For the log only: an API's message may quote what it was sent. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
