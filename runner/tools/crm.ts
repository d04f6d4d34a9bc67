/** The customer records API, as its two tools use it. */
import type { ApiContext } from "../tool.ts";

/** Origin of the API. The policy names the same host, and a request to any other gets no credential. */
export const CRM_ORIGIN = "https://api.crm.example";

/**
 * The customer that this session was opened for. Bound when the sandbox was spawned, from metadata that an end user
 * cannot set; no tool takes it from the model.
 *
 * @throws Error when the session was opened without one.
 */
export function boundCustomer({ variables }: Pick<ApiContext, "variables">): string {
  const customer = variables.customer;
  if (customer === undefined) {
    throw new Error("this session is bound to no customer: it was opened without `customer` in its metadata");
  }
  return customer;
}

/** The most of an answer that is read, in bytes: what a result may hold. */
const MAX_BODY_BYTES = 256 * 1024;

/**
 * The body of a successful answer.
 *
 * @throws Error with the status and the beginning of the answer: when the firewall refuses a request, its answer names
 * the policy and what would be needed. Also when the answer is larger than {@link MAX_BODY_BYTES}.
 */
export async function successBody(response: Response, what: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error(`${what} answered with more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks).toString("utf8");
  if (response.ok) return body;
  throw new Error(`${what} answered HTTP ${response.status}: ${body.slice(0, 2000) || "(empty)"}`);
}
