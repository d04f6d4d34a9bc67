/** What a rule of a lock does with the requests that it decides. */
import type { LockRule } from "./lock.ts";
import type { QueryParam } from "./query.ts";

/** The credential that the rule sends with; null when it sends without, or does not send. */
export function sentCredential(action: LockRule["action"]): string | null {
  return "send" in action ? action.send.credential : null;
}

/** Whether the rule's requests reach some server, the host or a proxy. */
export function reaches(action: LockRule["action"]): boolean {
  return "send" in action || "forward" in action;
}

/** What the policy grants with the rule; null for a refusal. */
export function grantOf(
  action: LockRule["action"],
): { readonly query: readonly QueryParam[]; readonly reason?: string; readonly unsafe?: readonly string[] } | null {
  if ("send" in action) return action.send;
  if ("forward" in action) return action.forward;
  return "respond" in action ? action.respond : null;
}

/** The query that the rule allows; nothing for a refusal. */
export function actionQuery(action: LockRule["action"]): readonly QueryParam[] {
  return grantOf(action)?.query ?? [];
}

/** What becomes of the rule's requests, as outcomes are written: `plain`, `credentialed(crm)`, `forwarded(…)`. */
export function describeAction(action: LockRule["action"]): string {
  if ("forward" in action) return `forwarded(${action.forward.url})`;
  if ("respond" in action) return `answered(${action.respond.response.statusCode})`;
  if ("answer" in action) return `answered(${action.answer.status})`;
  return action.send.credential === null ? "plain" : `credentialed(${action.send.credential})`;
}
