/** The tool calls of one run: what runs, what ends it, and which of them Anthropic has not had an answer to. */
import { MAX_RESULT_CHARS } from "../executor/protocol.ts";

/** How a call ended. */
interface Finished {
  readonly ok: boolean;
  readonly text: string;
}

/** What {@link Calls} needs. */
export interface CallsOptions {
  /** Takes tickets out of what is told to the model. */
  readonly redact: (text: string) => string;
  /** How long a call may go on after it was cancelled, in ms; then it is given up. */
  readonly graceMs?: number;
}

/** A result that could not be posted is asked for again at the next reconnect: this many are remembered for that. */
const REMEMBERED = 16;

/**
 * Runs calls so that each ends: with its result, or with an error when its time is up, the user interrupts, the SDK
 * gives up or the run ends. A tool that ignores its signal is left behind, since the SDK would wait for it for ever
 * (traps.md 17).
 */
export class Calls {
  readonly #redact: (text: string) => string;
  readonly #graceMs: number;
  readonly #running = new Map<string, AbortController>();
  readonly #finished = new Map<string, Finished>();
  readonly #unanswered = new Set<string>();
  readonly #interrupted = new Set<string>();
  readonly #waiting = new Set<() => void>();
  #closed: Error | undefined;

  constructor({ redact, graceMs = 8000 }: CallsOptions) {
    this.#redact = redact;
    this.#graceMs = graceMs;
  }

  /** Ids of the calls that began and whose result Anthropic has not accepted. */
  get unanswered(): readonly string[] {
    return [...this.#unanswered];
  }

  /** How many calls were run. */
  count = 0;

  /**
   * Runs one call. A call that ended before is not run again: its result is returned as it was.
   *
   * @param signal the SDK's own.
   * @throws Error whose message is for the model.
   */
  async run(
    id: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<string>,
  ): Promise<string> {
    this.#unanswered.add(id);
    this.#changed();
    let finished = this.#finished.get(id);
    if (finished === undefined) {
      finished = await this.#finish(id, timeoutMs, signal, work);
      this.#finished.set(id, finished);
      const [oldest] = this.#finished.keys();
      if (this.#finished.size > REMEMBERED && oldest !== undefined) this.#finished.delete(oldest);
    }
    if (finished.ok) return finished.text;
    throw new Error(finished.text);
  }

  /** Notes that Anthropic has an answer to a call, or that none can be given. */
  answered(id: string): void {
    this.#unanswered.delete(id);
    this.#changed();
  }

  /** Ends these calls where they run, and keeps those from running that have not begun. */
  interrupt(ids: Iterable<string>): void {
    for (const id of ids) {
      this.#interrupted.add(id);
      this.#running.get(id)?.abort(interrupted());
    }
  }

  /** Ends what runs and refuses what comes, with a reason for the model. */
  close(reason: Error): void {
    this.#closed ??= reason;
    for (const controller of this.#running.values()) controller.abort(reason);
  }

  /** Resolves once every call has been answered for `quietMs` without a new one, or when the signal aborts. */
  quiet(quietMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const check = () => {
        clearTimeout(timer);
        if (this.#unanswered.size === 0) timer = setTimeout(done, quietMs);
      };
      this.#waiting.add(check);
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted) done();
      else check();
    });
  }

  async #finish(
    id: string,
    timeoutMs: number,
    outer: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<string>,
  ): Promise<Finished> {
    if (this.#closed !== undefined) return { ok: false, text: this.#closed.message };
    if (this.#interrupted.has(id)) return { ok: false, text: interrupted().message };
    this.count++;
    const controller = new AbortController();
    this.#running.set(id, controller);
    const timer = setTimeout(
      () => controller.abort(new Error(`The call was not done after ${timeoutMs / 1000} seconds`)),
      timeoutMs,
    );
    const onOuterAbort = () => controller.abort(new Error("The runner was told to end"));
    outer?.addEventListener("abort", onOuterAbort, { once: true });
    if (outer?.aborted) onOuterAbort();
    try {
      return this.#result(true, await settled(work, controller.signal, this.#graceMs));
    } catch (error) {
      return this.#result(false, error instanceof Error ? error.message : String(error));
    } finally {
      clearTimeout(timer);
      outer?.removeEventListener("abort", onOuterAbort);
      this.#running.delete(id);
    }
  }

  #result(ok: boolean, raw: string): Finished {
    const text = this.#redact(raw);
    if (text.trim() === "") return { ok, text: ok ? "(no output)" : "(the tool failed without a message)" };
    if (text.length <= MAX_RESULT_CHARS) return { ok, text };
    const omitted = text.length - MAX_RESULT_CHARS;
    return { ok, text: `(the first ${omitted} characters were left out)\n${text.slice(omitted)}` };
  }

  #changed(): void {
    for (const check of this.#waiting) check();
  }
}

function interrupted(): Error {
  return new Error("The user interrupted the turn");
}

/** The work's own end; or, when it goes on too long after it was cancelled, the reason of the cancellation. */
async function settled(
  work: (signal: AbortSignal) => Promise<string>,
  signal: AbortSignal,
  graceMs: number,
): Promise<string> {
  const givenUp = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    timer = setTimeout(() => givenUp.reject(signal.reason), graceMs);
  };
  if (signal.aborted) throw signal.reason;
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work(signal), givenUp.promise]);
  } catch (error) {
    // fetch and others report an abort in their own words; the model should read why.
    if (signal.aborted && error instanceof Error && error.name === "AbortError") throw signal.reason;
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
