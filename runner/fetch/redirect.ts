/** What of a request survives a redirect (RFC 9110 §15.4, and the fetch standard's HTTP-redirect fetch). */

interface RedirectableRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | Uint8Array<ArrayBuffer> | null;
}

// A target of another origin must not learn what proves who we are to this one.
const CREDENTIAL_HEADERS = ["authorization", "cookie", "proxy-authorization", "x-api-key"];
const BODY_HEADERS = ["content-type", "content-length", "content-encoding", "content-language", "content-location"];

/**
 * The request of the next hop. 303 becomes a GET, and so does a POST on 301 and 302, without its body; 307 and 308 send
 * the same again. Across origins the credential headers are dropped. (The ticket is never in these headers.)
 */
export function redirectedRequest(
  request: RedirectableRequest,
  status: number,
  crossOrigin: boolean,
): RedirectableRequest {
  const headers = new Headers(request.headers);
  if (crossOrigin) for (const name of CREDENTIAL_HEADERS) headers.delete(name);
  const becomesGet =
    (status === 303 && request.method !== "GET" && request.method !== "HEAD") ||
    ((status === 301 || status === 302) && request.method === "POST");
  if (!becomesGet) return { ...request, headers };
  for (const name of BODY_HEADERS) headers.delete(name);
  return { method: "GET", headers, body: null };
}
