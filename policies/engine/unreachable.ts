/** Proves a policy's claims that some requests reach no host. */
import { authorities, type PolicyAndLock, show, type Witness } from "./authority.ts";
import type { Lock } from "./lock.ts";
import { parsePathTemplate } from "./path-template.ts";
import type { Phase, UnreachableClaim } from "./policy.ts";
import { hostsOverlap } from "./wildcard.ts";

/** A claim, and why it does not hold. */
export interface ClaimResult {
  /** e.g. `sandbox: POST api.crm.example/v1/{anything...}`. */
  readonly name: string;
  /** null when it is proved. */
  readonly failure: string | null;
  /** A request against the claim, where there is one. */
  readonly witness: Witness | null;
}

/** Proves every claim of a policy, for all requests and all values of variables; or finds a request against it. */
export function checkUnreachable(subject: PolicyAndLock): ClaimResult[] {
  return (subject.policy.unreachable ?? []).map((claim) => ({ name: nameOf(claim), ...prove(subject, claim) }));
}

/** The domain keys of a phase under which requests to a host, or to some host of a pattern, are decided. */
export function keysFor(lock: Lock, phase: Phase, host: string): string[] {
  const keys = Object.keys(lock.phases[phase]);
  // An exact key goes before every pattern (contracts/vercel-firewall.md §1.6).
  return keys.includes(host) ? [host] : keys.filter((key) => hostsOverlap(key, host));
}

function prove(subject: PolicyAndLock, claim: UnreachableClaim): Omit<ClaimResult, "name"> {
  const { lock } = subject;
  const { as, host, methods, phase = "run" } = claim;
  const ranges = (phase === "run" && lock.unsafe?.subnets.allow) || [];
  if (ranges.length > 0) {
    return { failure: `addresses in ${ranges.join(", ")} are open past every rule (\`unsafe\`)`, witness: null };
  }
  const path =
    claim.path === undefined ? undefined : parsePathTemplate(claim.path, (name) => Object.hasOwn(lock.variables, name));
  if (path && "problem" in path) return { failure: path.problem, witness: null };
  const keys = keysFor(lock, phase, host);
  // Whoever has a ticket may leave it out, and reaches what the sandbox reaches.
  const suspects = authorities(lock).filter(
    (authority) =>
      authority.phase === phase &&
      keys.includes(authority.host) &&
      (as === "anyone" || authority.principal === as || authority.principal === "sandbox"),
  );
  for (const suspect of suspects) {
    const shown = show(subject, suspect, { host, ...(methods && { methods }), ...(path && { path }) });
    if (shown.kind === "never") continue;
    if (shown.kind === "open") return { failure: `${suspect.rule.at} may let it through: ${shown.why}`, witness: null };
    const { witness } = shown;
    return { failure: `${suspect.rule.at} lets ${witness.method} ${witness.url} through`, witness };
  }
  return { failure: null, witness: null };
}

function nameOf({ as, methods, host, path, phase }: UnreachableClaim): string {
  return `${phase === "setup" ? "set-up: " : ""}${as}: ${methods ? `${methods.join("|")} ` : ""}${host}${path ?? "/*"}`;
}
