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
}

type Level = keyof Log;

/** Shorter values are not worth replacing and would blank out ordinary words. */
const MIN_SECRET_LENGTH = 8;

/**
 * Makes a log that writes JSON lines and replaces every occurrence of a secret by `[redacted]`.
 *
 * @param secrets values that must never appear, e.g. the environment key; short ones (under 8 characters) are ignored
 * @param write receives one line, without its line end
 */
export function createLog(secrets: readonly string[], write: (line: string) => void = console.log): Log {
  // As JSON, since that is what is searched.
  const needles = secrets.map((secret) => JSON.stringify(secret).slice(1, -1));
  const at =
    (level: Level) =>
    (event: string, fields: LogFields = {}): void => {
      write(redact(JSON.stringify({ level, event, ...fields }), needles));
    };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}

/** A text with every occurrence of a secret replaced by `[redacted]`; short ones (under 8 characters) are ignored. */
export function redact(text: string, secrets: readonly string[]): string {
  const needles = secrets.filter((secret) => secret.length >= MIN_SECRET_LENGTH);
  // Longest first, in case that one secret holds another.
  needles.sort((a, b) => b.length - a.length);
  return needles.reduce((redacted, needle) => redacted.replaceAll(needle, "[redacted]"), text);
}

/** The message of whatever was thrown, cut to a length that keeps a log line readable. */
export function errorMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.length > 500 ? `${message.slice(0, 500)}…` : message;
}
