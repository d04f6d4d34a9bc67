/** What a rule may ask for with `unsafe`, and whether it needs to. */
import { PolicyError } from "./errors.ts";
import { compileRegex } from "./matcher.ts";
import type { AllowRule } from "./policy.ts";
import { isWildcard } from "./wildcard.ts";

type Refuse = (key: string, problem: string, fix: string) => void;

/** Refuses an `unsafe` that asks for nothing, for what the rule has not got, or for two things at once. */
export function checkUnsafe(rule: AllowRule, refuse: Refuse): void {
  const { unsafe } = rule;
  if (unsafe === undefined) return;
  const { reason: _, ...asked } = unsafe;
  if (Object.keys(asked).length === 0) refuse("unsafe", "asks for nothing", "Remove it");
  const paths = [rule.path, unsafe.pathStartsWith, unsafe.pathRegex].filter((path) => path !== undefined);
  if (paths.length > 1) refuse("unsafe", "gives the rule a second path", "Leave one");
  if (unsafe.wildcardCredential && (!isWildcard(rule.host) || rule.credential === undefined)) {
    refuse("unsafe.wildcardCredential", "is not needed: no credential goes below a wildcard", "Remove it");
  }
  if (unsafe.pathRegex === undefined) return;
  try {
    compileRegex(unsafe.pathRegex);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    for (const { problem, fix } of error.problems) refuse("unsafe.pathRegex", problem, fix);
  }
}

/** Refuses a rule that would do two things with a request, or one that cannot be done. */
export function checkHandling(rule: AllowRule, refuse: Refuse): void {
  const { credential, forwardURL, response } = rule;
  if (response !== undefined && forwardURL !== undefined) {
    refuse("forwardURL", "sends what `response` answers", "Leave one of the two");
  }
  if (response !== undefined && credential !== undefined) {
    refuse("credential", "is added to a request that `response` answers", "Leave one of the two");
  }
  if (forwardURL === undefined) return;
  if (credential !== undefined) {
    refuse("credential", "cannot be added to a forwarded request", "Let the proxy add it");
  }
  const url = URL.canParse(forwardURL) ? new URL(forwardURL) : null;
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "" || /[?#]/.test(forwardURL)) {
    refuse("forwardURL", "is not https://host/path", "Write an HTTPS URL without user, query and fragment");
  }
}
