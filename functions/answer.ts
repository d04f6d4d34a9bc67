/** Answers of the control plane: JSON, never cached, and never a redirect (traps.md 1). */

/** A JSON answer. */
export function answer(status: number, body: unknown): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store" } });
}

/** 503: not served now. `message` says why and what to do; it must hold no secret. */
export function unavailable(message: string): Response {
  return answer(503, { status: "unavailable", message });
}
