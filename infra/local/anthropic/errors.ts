/** The API's error envelope: `{type:"error", error:{type, message, details?}, request_id}`. */
import type { z } from "zod";

const TYPE_BY_STATUS: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  504: "timeout_error",
  529: "overloaded_error",
};

export interface ErrorExtras {
  /** `error.details`; `error_code` in it is what clients branch on. */
  details?: { error_code: string } & Record<string, unknown>;
  /** Response headers, e.g. `retry-after`, which the SDK's retry loop obeys. */
  headers?: Record<string, string>;
  /** `error.type`, where it is not the usual one of the status. */
  type?: string;
}

/** Thrown anywhere below a route; the server turns it into the envelope. */
export class ApiError extends Error {
  readonly status: number;
  readonly extras: ErrorExtras;

  constructor(status: number, message: string, extras: ErrorExtras = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.extras = extras;
  }

  toBody(requestId: string): object {
    const {
      type = TYPE_BY_STATUS[this.status] ?? (this.status >= 500 ? "api_error" : "invalid_request_error"),
      details,
    } = this.extras;
    return {
      type: "error",
      error: { type, message: this.message, ...(details && { details }) },
      request_id: requestId,
    };
  }
}

export const badRequest = (message: string, errorCode?: string) =>
  new ApiError(400, message, errorCode ? { details: { error_code: errorCode } } : {});

export const notFound = (what: string, errorCode?: string) =>
  new ApiError(404, `${what} not found`, errorCode ? { details: { error_code: errorCode } } : {});

export const conflict = (message: string) => new ApiError(409, message);

/** Words one zod issue the way the API does: `events.0.content.0.text: minimum string length is 1`. */
function wordIssue(issue: z.core.$ZodIssue): string {
  const path = issue.path.join(".");
  const at = path ? `${path}: ` : "";
  switch (issue.code) {
    case "unrecognized_keys":
      return `${[...issue.path, issue.keys[0]].join(".")}: Extra inputs are not permitted`;
    case "too_small":
      return issue.origin === "string" ? `${at}minimum string length is ${issue.minimum}` : `${at}${issue.message}`;
    case "too_big":
      return issue.origin === "string" ? `${at}maximum string length is ${issue.maximum}` : `${at}${issue.message}`;
    case "invalid_union": {
      const deepest = issue.errors.flat().sort((a, b) => b.path.length - a.path.length)[0];
      return deepest ? wordIssue({ ...deepest, path: [...issue.path, ...deepest.path] }) : `${at}${issue.message}`;
    }
    default:
      return `${at}${issue.message}`;
  }
}

/** Checks untrusted input at the door. @throws ApiError 400 naming the first wrong field. */
export function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw badRequest(wordIssue(result.error.issues[0] as z.core.$ZodIssue));
}
