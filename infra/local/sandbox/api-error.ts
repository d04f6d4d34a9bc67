/** An answer of the API that says no: `{error: {code, message}}`, as the SDK reads it (api-client/base-client.js). */
export class ApiError extends Error {
  readonly status: 400 | 401 | 403 | 404 | 410 | 422 | 429 | 500;
  readonly code: string;

  constructor(status: ApiError["status"], code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const badRequest = (message: string) => new ApiError(400, "bad_request", message);
export const notFound = (what: string) => new ApiError(404, "not_found", `${what} was not found.`);
