import type { OperationContext } from "./definition.ts";

/** Result of one look at something that takes a moment to become true. */
export type Look<T> = { readonly done: T } | { readonly problem: string; readonly final?: boolean };

/** Times between looks in ms: a production domain follows its deployment within seconds. */
const WAITS = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000];

/**
 * Looks until it is done, a problem is final or the waits are used up.
 *
 * @throws Error with the last problem's words.
 */
export async function settle<T>(
  context: Pick<OperationContext, "sleep" | "signal">,
  look: () => Promise<Look<T>>,
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    const seen = await look();
    if ("done" in seen) return seen.done;
    const wait = WAITS[attempt];
    if (seen.final || wait === undefined) throw new Error(seen.problem);
    await context.sleep(wait, context.signal);
  }
}

/** What a failed fetch has to say; undici hides it in the cause. */
export function networkProblem(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}
