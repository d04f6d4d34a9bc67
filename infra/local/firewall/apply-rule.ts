import type { NetworkPolicyRule } from "@vercel/sandbox";

type Pairs = readonly (readonly [string, string])[];

/** A `response` handler; the SDK has the type but does not export it. */
export type DirectResponse = Extract<NetworkPolicyRule, { response: unknown }>["response"];

/**
 * Headers after a rule's transforms: each named header replaces every copy the guest sent, whatever its case
 * (contracts/vercel-firewall.md §1.8). Transforms only set, so all other guest headers stay.
 */
export function transformHeaders(rule: NetworkPolicyRule | null, headers: Pairs): Pairs {
  const entries = (rule?.transform ?? []).flatMap((each) => Object.entries(each.headers ?? {}));
  return entries.reduce<Pairs>((current, [name, value]) => setHeader(current, name, value), headers);
}

/** Replaces every copy of a header; Host stays first, as some origins expect. */
export function setHeader(headers: Pairs, name: string, value: string): Pairs {
  const others = headers.filter(([key]) => key.toLowerCase() !== name.toLowerCase());
  return name.toLowerCase() === "host" ? [[name, value], ...others] : [...others, [name, value]];
}

/** What `forwardURL` makes of a request: the target's origin, the appended path, and who is asking. */
export interface Forwarding {
  url: URL;
  target: string;
  headers: Pairs;
}

/**
 * Applies a `forwardURL` handler (contracts/vercel-firewall.md §1.12).
 *
 * @param identify Makes the token that names the sandbox to this audience.
 */
export function forward(
  forwardURL: string,
  request: { host: string; target: string; headers: Pairs },
  identify: (audience: string) => string,
): Forwarding {
  const url = new URL(forwardURL);
  const added: [string, string][] = [
    ["host", url.host],
    ["vercel-forwarded-host", request.host],
    ["vercel-forwarded-scheme", "https"],
    ["vercel-forwarded-port", "443"],
    // With the query: defineSandboxProxy (@vercel/sandbox proxy.js) makes the original URL of this header alone.
    ["vercel-forwarded-path", request.target],
    ["vercel-sandbox-oidc-token", identify(forwardURL)],
  ];
  return {
    url,
    target: `${url.pathname.replace(/\/+$/, "")}${request.target}`,
    headers: added.reduce<Pairs>((current, [name, value]) => setHeader(current, name, value), request.headers),
  };
}
