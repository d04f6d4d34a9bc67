import type { ParsedRule } from "./parse-rule.ts";
import type { AllowRule } from "./policy.ts";

/** An allow rule with its templates parsed, and whose it is. */
export interface Grant extends ParsedRule {
  /** Its place in the policy. */
  readonly at: string;
  readonly principal: string;
  readonly rule: AllowRule;
}
