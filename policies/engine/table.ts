/** The table that a reviewer wants: who may send what, and with which credential. */
import type { Lock } from "./lock.ts";
import type { QueryParam } from "./query.ts";

/**
 * Rows by principal; `setup` stands for anything in the sandbox while the snapshot is built. A row is
 * `METHOD host/path?query`, its value `plain` or `credentialed(<name>)`. Everything else is refused.
 *
 * It is a map because a list shows every later row as changed in a plan.
 */
export function egressTable(lock: Lock): Record<string, Record<string, string>> {
  const table: Record<string, Record<string, string>> = {};
  for (const phase of ["run", "setup"] as const) {
    for (const [host, rules] of Object.entries(lock.phases[phase])) {
      for (const { principal, match, action } of rules) {
        if (!("send" in action)) continue;
        const { credential, query } = action.send;
        const key = phase === "setup" ? "setup" : (principal ?? "sandbox");
        const rows = table[key] ?? {};
        table[key] = rows;
        const path = typeof match.path === "object" ? match.path.template : "/*";
        for (const method of match.methods ?? []) {
          rows[`${method} ${host}${path}${queryText(query)}`] =
            credential === null ? "plain" : `credentialed(${credential})`;
        }
      }
    }
  }
  return table;
}

function queryText(query: readonly QueryParam[]): string {
  if (query.length === 0) return "";
  const names = query.map(({ name, value }) =>
    value === null
      ? name
      : `${name}=${value.map((part) => ("text" in part ? part.text : `{${part.variable}}`)).join("")}`,
  );
  return `?${names.join("&")}`;
}
