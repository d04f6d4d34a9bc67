/** Deadlines and cancellation: no operation may keep the engine waiting for ever. */

/** Thrown instead of whatever the operation was doing. */
export class OperationEnded extends Error {
  override readonly name = "OperationEnded";
}

export class Operations {
  readonly #running = new Set<AbortController>();
  #cancelled = false;

  /**
   * Runs `work` with a signal and a deadline. Rejects when the deadline has passed even if `work` does not listen to
   * its signal; what it does afterwards is adopted by the next `create`.
   */
  async run<T>(what: string, seconds: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#cancelled) throw new OperationEnded(`${what} was not started: the update is being cancelled`);
    const controller = new AbortController();
    this.#running.add(controller);
    const timer = setTimeout(() => {
      controller.abort(
        new OperationEnded(
          `${what} did not finish within ${seconds} s and was given up; running it again is safe, it continues with ` +
            "what is there. A longer time: customTimeouts",
        ),
      );
    }, seconds * 1000);
    const aborted = new Promise<never>((_, reject) => {
      controller.signal.addEventListener("abort", () => reject(controller.signal.reason), { once: true });
    });
    try {
      return await Promise.race([work(controller.signal), aborted]);
    } catch (error) {
      // An aborted fetch rejects with words of its own.
      throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      clearTimeout(timer);
      this.#running.delete(controller);
    }
  }

  /** Ends what is running and refuses what comes. The engine asks for it on Ctrl-C, and at the end of every run. */
  cancel(): void {
    this.#cancelled = true;
    for (const controller of this.#running) {
      controller.abort(new OperationEnded("cancelled; running it again is safe, it continues with what is there"));
    }
  }
}
