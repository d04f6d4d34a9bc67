/** What a lock grants, one entry a rule, in the words that reports share. */
import { describeAction, grantOf, reaches, sentCredential } from "../engine/action.ts";
import { describeHeaderConditions } from "../engine/header-conditions.ts";
import type { Lock } from "../engine/lock.ts";
import type { Phase } from "../engine/policy.ts";
import { describeQueryParams } from "../engine/query.ts";
import { describePath } from "../engine/table.ts";

/** The requests that one rule lets through, or answers because the policy says so. */
export interface GrantedRequests {
  readonly phase: Phase;
  readonly principal: string;
  readonly host: string;
  readonly methods: readonly string[];
  /** Path, query and header conditions: `/v1/customers/{customer}?page [x-tenant: acme]`. */
  readonly path: string;
  readonly credential: string | null;
  /** `plain`, `credentialed(crm)`, `forwarded(…)`, `answered(204)`. */
  readonly outcome: string;
  /** Whether a server is reached. */
  readonly reaches: boolean;
  /** Parameters of the path that the model chooses. */
  readonly chosen: readonly string[];
  /** What the rule asks for although it is refused by default. */
  readonly unsafe: readonly string[];
  readonly reason: string | undefined;
  /** Place in the policy. */
  readonly at: string;
}

/** Everything that the rules of a lock grant. Ranges of addresses (`unsafe.subnets`) stand beside the rules. */
export function grantedRequests(lock: Lock): GrantedRequests[] {
  return (["run", "setup"] as const).flatMap((phase) =>
    Object.entries(lock.phases[phase]).flatMap(([host, rules]) =>
      rules.flatMap(({ principal, match, action, at }): GrantedRequests[] => {
        const grant = grantOf(action);
        if (grant === null) return [];
        const template = typeof match.path === "object" && "segments" in match.path ? match.path : null;
        const params = (template?.segments ?? []).flat().flatMap((part) => ("param" in part ? [part.param] : []));
        const tail = template !== null && typeof template.end === "object" ? [template.end.tail] : [];
        const query = describeQueryParams(grant.query).join("&");
        const headers = describeHeaderConditions(match.headers ?? []).map((header) => ` [${header}]`);
        return [
          {
            phase,
            principal: principal ?? "sandbox",
            host,
            methods: match.methods ?? ["*"],
            path: `${describePath(match.path)}${query && `?${query}`}${headers.join("")}`,
            credential: sentCredential(action),
            outcome: describeAction(action),
            reaches: reaches(action),
            chosen: [...params, ...tail],
            unsafe: grant.unsafe ?? [],
            reason: grant.reason,
            at,
          },
        ];
      }),
    ),
  );
}
