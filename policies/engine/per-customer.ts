import type { CredentialSource } from "./policy.ts";

/**
 * A credential that each customer has of their own: the resolver of this name in `functions/resolvers.ts` is asked for it
 * when a session's sandbox is spawned. Without a customer, or where the resolver knows none, the rules that carry it
 * answer 403 in that sandbox.
 *
 * @param metadata key of the session's metadata that names the customer: one that an end user cannot set.
 * @example
 * credentials: { crm: { form: { type: "bearer" }, source: perCustomer("crm") } }
 */
export function perCustomer(
  resolver: string,
  metadata = "customer",
): Extract<CredentialSource, { type: "perCustomer" }> {
  return { type: "perCustomer", resolver, metadata };
}
