/** The table that a reviewer wants: who may send what, and with which credential. */
import { describeAction, grantOf } from "./action.ts";
import { describeHeaderConditions } from "./header-conditions.ts";
import type { Lock, LockMatch } from "./lock.ts";
import { describeQueryParams } from "./query.ts";
import { describeRawPath } from "./raw-path.ts";

/**
 * Rows by principal; `setup` stands for anything in the sandbox while the snapshot is built. A row is
 * `METHOD host/path?query [header: value]`, its value `plain`, `credentialed(<name>)`, `forwarded(<url>)` or
 * `answered(<status>)`; where a rule is unsafe, that and the reason follow. Everything else is refused.
 *
 * It is a map because a list shows every later row as changed in a plan.
 */
export function egressTable(lock: Lock): Record<string, Record<string, string>> {
  const table: Record<string, Record<string, string>> = {};
  const add = (principal: string, row: string, outcome: string) => {
    table[principal] = { ...table[principal], [row]: outcome };
  };
  for (const phase of ["run", "setup"] as const) {
    for (const [host, rules] of Object.entries(lock.phases[phase])) {
      for (const { principal, match, action } of rules) {
        const grant = grantOf(action);
        if (grant === null) continue;
        const unsafe = grant.unsafe ? ` UNSAFE ${grant.unsafe.join(", ")}: ${grant.reason}` : "";
        const query = describeQueryParams(grant.query).join("&");
        const headers = describeHeaderConditions(match.headers ?? []).map((header) => ` [${header}]`);
        const request = `${host}${describePath(match.path)}${query && `?${query}`}${headers.join("")}`;
        for (const method of match.methods ?? []) {
          add(
            phase === "setup" ? "setup" : (principal ?? "sandbox"),
            `${method} ${request}`,
            describeAction(action) + unsafe,
          );
        }
      }
    }
  }
  for (const range of lock.unsafe?.subnets.allow ?? []) {
    add("sandbox", `any traffic to ${range}`, `past every rule UNSAFE subnets: ${lock.unsafe?.reason}`);
  }
  for (const range of lock.unsafe?.subnets.deny ?? []) add("sandbox", `any traffic to ${range}`, "denied");
  return table;
}

/** A rule's path as it is shown. */
export function describePath(path: LockMatch["path"]): string {
  if (typeof path !== "object") return "/*";
  return "segments" in path ? path.template : describeRawPath(path);
}
