import type { ContentfulStatusCode } from "hono/utils/http-status";

/** An answer that is an error: `{"error": {code, message, …}}`, as every endpoint of the Vercel REST API gives it. */
export class VercelError extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  /** Further members of the `error` object, e.g. `missing` of `missing_files`. */
  readonly details: Record<string, unknown>;

  constructor(status: ContentfulStatusCode, code: string, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }

  get body(): { error: Record<string, unknown> } {
    return { error: { code: this.code, message: this.message, ...this.details } };
  }
}

export function badRequest(message: string, details?: Record<string, unknown>): VercelError {
  return new VercelError(400, "bad_request", message, details);
}

export function notFound(what: string): VercelError {
  return new VercelError(404, "not_found", `${what} not found`);
}
