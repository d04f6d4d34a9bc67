import type { HttpBindings } from "@hono/node-server";
import { z } from "zod";

/** A fault to inject, as `POST /console/faults` takes it. */
export const faultBody = z.object({
  /** Requests it applies to; all when absent. `path` is a part of the URL's path. */
  method: z.string().optional(),
  path: z.string().optional(),
  /** How many requests; 1 when absent. */
  times: z.int().min(1).default(1),
  /** Answer this instead. */
  status: z.int().min(400).max(599).optional(),
  code: z.string().default("internal_server_error"),
  /** Seconds, with `status`. */
  retryAfter: z.int().min(0).optional(),
  /** ms to wait before the request is looked at. */
  delay: z.int().min(0).optional(),
  /** Lines of an NDJSON answer after which the connection is cut. */
  cutAfter: z.int().min(0).optional(),
});
export type Fault = z.infer<typeof faultBody>;

/** The faults that are armed, first come first used. */
export function createFaults() {
  const armed: Fault[] = [];
  return {
    add: (fault: Fault) => void armed.push(fault),
    clear: () => void armed.splice(0),
    /** The fault for this request, which is used up by it. */
    take(method: string, path: string): Fault | undefined {
      const at = armed.findIndex((f) => (f.method === undefined || f.method === method) && path.includes(f.path ?? ""));
      const fault = armed[at];
      if (fault && --fault.times <= 0) armed.splice(at, 1);
      return fault;
    },
  };
}

/** What a fault leaves on a request's context: lines of an NDJSON answer after which it is cut. */
export interface FaultVariables {
  Bindings: HttpBindings;
  Variables: { cutAfter?: number };
}
