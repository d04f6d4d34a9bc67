/** Asks for the credentials that a session's customer has of their own. */
import type { Lock } from "../policies/engine/lock.ts";

/** What a resolver is given beside the names. */
export interface ResolverContext {
  /** The functions' environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts when the claim's time is up. */
  readonly signal: AbortSignal;
}

/**
 * Finds one customer's credential.
 *
 * @param name the resolver's name, as the policy's `perCustomer(…)` says it
 * @param customer from the session's metadata: 1 to 128 letters, digits, `_` and `-`
 * @returns its value, or undefined when this customer has none
 */
export type ResolveCredential = (
  name: string,
  customer: string,
  context: ResolverContext,
) => Promise<string | undefined>;

/** Where a policy's per-customer credentials come from, by credential. */
export type CustomerSources = Readonly<Record<string, { readonly resolver: string; readonly metadata: string }>>;

/** A resolver could not be asked, or answered with what is no credential. */
export class ResolverError extends Error {
  override name = "ResolverError";
}

/** True for what `bind` takes as a credential: one line of printable ASCII. */
export function isHeaderValue(value: string): boolean {
  return VALUE.test(value);
}

const CUSTOMER = /^[A-Za-z0-9_-]{1,128}$/;
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** The per-customer credentials of a lock. */
export function customerSources(lock: Lock): CustomerSources {
  return Object.fromEntries(
    Object.entries(lock.credentials).flatMap(([name, { source }]) =>
      source.type === "perCustomer" ? [[name, { resolver: source.resolver, metadata: source.metadata }]] : [],
    ),
  );
}

/**
 * Resolves a session's credentials.
 *
 * A session that names no customer, or one by a name that could be read as more than a name, has none: its rules are
 * denied. So has one whose customer the resolver does not know.
 *
 * @returns values by credential, of those that there are
 * @throws ResolverError naming the credential; not with the resolver's own words, which may hold a secret
 */
export async function customerCredentials(
  sources: CustomerSources,
  metadata: Readonly<Record<string, string>>,
  resolve: ResolveCredential,
  context: ResolverContext,
): Promise<Record<string, string>> {
  const entries = await Promise.all(
    Object.entries(sources).map(async ([credential, source]) => {
      const customer = Object.hasOwn(metadata, source.metadata) ? metadata[source.metadata] : undefined;
      if (customer === undefined || !CUSTOMER.test(customer)) return [];
      let value: string | undefined;
      try {
        value = await Promise.race([resolve(source.resolver, customer, context), aborted(context.signal)]);
      } catch (error) {
        const kind = error instanceof Error ? error.name : typeof error;
        throw new ResolverError(
          `the resolver of credential ${credential} failed (${kind}): see functions/resolvers.ts`,
        );
      }
      if (value === undefined) return [];
      if (!isHeaderValue(value)) {
        throw new ResolverError(`the resolver of credential ${credential} answered with what is no header value`);
      }
      return [[credential, value] as const];
    }),
  );
  return Object.fromEntries(entries.flat());
}

/** Rejects when the signal aborts, since a resolver may not listen to it. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
