/** What a rule does with a request, and which of two does more. */
import { AUTH_HEADERS } from "../auth-headers.ts";
import type { Outcome } from "../evaluate.ts";

/** A header by which a guest could bring an identity of its own. */
export type AuthHeader = (typeof AUTH_HEADERS)[number];

/** What becomes of every request that a rule decides. */
export type Effect = { readonly kind: "denied" } | { readonly kind: "answered"; readonly status: number } | Sent;

/** The request reaches an origin. */
export interface Sent {
  readonly kind: "sent";
  /** Where to, if that is not the host that was asked for; a proxy is another place than the site of the same name. */
  readonly to: { readonly url: string; readonly proxy: boolean } | null;
  /** Credentials by identity, sorted. */
  readonly credentials: readonly string[];
  /** The guest's own headers that are overwritten. */
  readonly overwrites: readonly AuthHeader[];
  readonly hostFree: boolean;
  readonly opaque: boolean;
}

/** The request goes out as it is, over a connection that was terminated (`[]`: that was not). */
export function unchanged(opaque: boolean): Sent {
  return { kind: "sent", to: null, credentials: [], overwrites: [], hostFree: true, opaque };
}

/** Of what an order of effects depends on besides them. */
export interface Circumstances {
  /** Guest headers that the request carries. */
  readonly carried: readonly AuthHeader[];
  /** Names resolve below this key whatever they say, so that even an answered request tells something outside. */
  readonly wildcard: boolean;
}

/**
 * Whether an effect gives at most the authority of another: denied = answered < sent; below a wildcard denied < answered;
 * one request that is sent is at most another when it goes to the same place with a subset of its credentials, a subset
 * of its passing guest headers, and neither a freer Host nor an opaque connection.
 */
export function atMost(a: Effect, b: Effect, circumstances: Circumstances): boolean {
  if (a.kind === "denied") return true;
  if (a.kind === "answered") return b.kind === "sent" || b.kind === "answered" || !circumstances.wildcard;
  if (b.kind !== "sent") return false;
  return (
    a.to?.url === b.to?.url &&
    a.to?.proxy === b.to?.proxy &&
    a.credentials.every((name) => b.credentials.includes(name)) &&
    !circumstances.carried.some((header) => b.overwrites.includes(header) && !a.overwrites.includes(header)) &&
    (b.hostFree || !a.hostFree) &&
    (b.opaque || !a.opaque)
  );
}

/** Guest headers on whose presence the order of these effects may depend. */
export function decidingHeaders(effects: readonly Effect[]): AuthHeader[] {
  const sent = effects.filter((effect) => effect.kind === "sent");
  return AUTH_HEADERS.filter((header) => {
    const overwriting = sent.filter(({ overwrites }) => overwrites.includes(header)).length;
    return overwriting > 0 && overwriting < sent.length;
  });
}

/** The effect on a request that carries some headers, in the words of `evaluate`. */
export function outcomeOf(effect: Effect, carried: readonly AuthHeader[]): Outcome {
  if (effect.kind === "denied") return { kind: "denied" };
  if (effect.kind === "answered") return { kind: "answered", status: effect.status };
  const { to, credentials, overwrites, hostFree, opaque } = effect;
  const guestHeaders = carried.filter((header) => !overwrites.includes(header));
  return {
    kind: to?.proxy ? "forwarded" : credentials.length > 0 ? "credentialed" : "plain",
    ...(credentials.length > 0 && { credentials: [...credentials] }),
    ...(guestHeaders.length > 0 && { guestHeaders }),
    ...(hostFree && { hostFree }),
    ...(opaque && { opaque }),
    ...(to && { to: to.url }),
  };
}
