import { TOKEN } from "./token.ts";

/** Headers by which a guest could bring an identity of its own. A rule refuses those that it does not overwrite. */
export const AUTH_HEADERS = ["authorization", "cookie", "proxy-authorization", "x-api-key"] as const;

const NEVER_SET = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-handrail-principal",
]);

/** Headers by which servers and proxies decide what a request is, not who sends it. */
const STEERING =
  /^(?:content-.*|forwarded|x-forwarded-.*|x-original-.*|x-rewrite-.*|x-(?:http-)?method(?:-override)?|set-cookie)$/;

/** Why a header name cannot carry a credential; null when it can. */
export function credentialHeaderProblem(name: string): string | null {
  if (!TOKEN.test(name)) return `${JSON.stringify(name)} is not a header name`;
  if (NEVER_SET.has(name.toLowerCase())) return `${name} belongs to the connection or to handrail itself`;
  if (STEERING.test(name.toLowerCase())) return `${name} says what a request is, not who sends it`;
  return null;
}
