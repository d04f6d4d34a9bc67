import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

/** What `POST /console/faults` takes. */
export const faultSchema = z.strictObject({
  /** Regular expression that the path (with query) must match somewhere. */
  path: z.string().refine((text) => {
    try {
      return new RegExp(text);
    } catch {
      return false;
    }
  }, "must be a regular expression"),
  method: z.string().toUpperCase().optional(),
  /** `api` is the REST API, `functions` the deployments. */
  on: z.enum(["api", "functions"]).default("api"),
  /** How many requests it meets before it is gone; all of them when absent. */
  times: z.number().int().positive().optional(),
  /** Waits this long before anything else. */
  delayMs: z.number().int().nonnegative().optional(),
  /** Answers this status instead. */
  status: z.number().int().min(400).max(599).optional(),
  /** Cuts the connection: before the request has any effect, or after, so that only its answer is lost. */
  drop: z.enum(["request", "response"]).optional(),
});
export type Fault = z.infer<typeof faultSchema>;

/** Faults that people and tests put in front of the real behaviour. */
export class Faults {
  #faults: Fault[] = [];

  add(fault: Fault): void {
    this.#faults.push({ ...fault });
  }

  clear(): void {
    this.#faults = [];
  }

  list(): readonly Fault[] {
    return this.#faults;
  }

  /** The fault that this request meets, if any, after its delay. */
  async meet(on: Fault["on"], method: string, target: string): Promise<Fault | undefined> {
    const fault = this.#faults.find(
      (one) => one.on === on && (one.method ?? method) === method && new RegExp(one.path).test(target),
    );
    if (!fault) return undefined;
    if (fault.times !== undefined && --fault.times === 0) this.#faults = this.#faults.filter((one) => one !== fault);
    if (fault.delayMs) await sleep(fault.delayMs);
    return fault;
  }
}
