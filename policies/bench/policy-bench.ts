/**
 * What policies cost as they grow: compile, bind, evaluate and compare at several sizes, measured side by side in one run. The
 * growth exponent between two sizes says how the time grows: 1 is linear. Absolute times depend on the machine.
 */

import { compareLocks } from "../engine/compare/compare.ts";
import { compile } from "../engine/compile.ts";
import { definePolicy } from "../engine/define.ts";
import { evaluate } from "../engine/evaluate.ts";
import { bindExample } from "../engine/inline-tests.ts";
import type { Policy } from "../engine/policy.ts";

const RULES_PER_TOOL = 50;
const RULES_PER_HOST = 10;

/** Medians of one size, in ms; `evaluate` for one request, in µs. */
export interface Measurement {
  rules: number;
  compile: number;
  bind: number;
  evaluate: number;
  /** Of two locks that differ in one rule. */
  compare: number;
  /** Of the bound policy as JSON: what is sent to the sandbox API, whose limit is not documented. */
  boundBytes: number;
}

/**
 * A policy with so many rules: tools with 50 rules each, hosts with 10 each, all with a credential.
 *
 * @param changed index of a rule that is another one than in the policy without it
 */
export function policyOf(rules: number, changed?: number): Policy {
  const tools: Record<string, { kind: "api"; network: "own"; allow: object[] }> = {};
  for (let i = 0; i < rules; i++) {
    const name = `tool_${Math.floor(i / RULES_PER_TOOL)}`;
    tools[name] ??= { kind: "api", network: "own", allow: [] };
    tools[name].allow.push({
      methods: i % 2 === 0 ? ["GET"] : ["POST"],
      host: `api${Math.floor(i / RULES_PER_HOST)}.example`,
      path: `/v1/accounts/{customer}/things${i % RULES_PER_HOST}${i === changed ? "-renamed" : ""}`,
      credential: "key",
    });
  }
  return definePolicy({
    agent: "bench",
    variables: { customer: { source: "metadata.customer", example: "cus_42" } },
    credentials: { key: { form: { type: "bearer" }, source: { type: "secret", name: "key" } } },
    tools,
  } as unknown as Parameters<typeof definePolicy>[0]);
}

/** @param now a clock in ms */
export function measurePolicies(sizes: readonly number[], repeats: number, now: () => number): Measurement[] {
  return sizes.map((rules) => {
    const policy = policyOf(rules);
    const lock = compile(policy);
    const other = compile(policyOf(rules, Math.floor(rules / 2)));
    const bound = bindExample(policy, lock, "run");
    const host = `api${Math.floor(rules / RULES_PER_HOST / 2)}.example`;
    const request = { method: "GET", host, target: "/v1/accounts/cus_42/things0", headers: [] };
    const requests = 1000;
    return {
      rules,
      compile: median(repeats, now, () => compile(policy)),
      bind: median(repeats, now, () => bindExample(policy, lock, "run")),
      evaluate:
        median(repeats, now, () => {
          for (let i = 0; i < requests; i++) evaluate(bound, request);
        }) *
        (1000 / requests),
      compare: median(repeats, now, () => compareLocks(lock, other)),
      boundBytes: JSON.stringify(bound.networkPolicy).length,
    };
  });
}

export type Measured = "compile" | "bind" | "evaluate" | "compare";

/** The exponent e in time ~ size^e between two measurements. */
export function growth(from: Measurement, to: Measurement, what: Measured): number {
  return Math.log(to[what] / from[what]) / Math.log(to.rules / from.rules);
}

function median(repeats: number, now: () => number, work: () => void): number {
  work();
  const times = Array.from({ length: repeats }, () => {
    const start = now();
    work();
    return now() - start;
  });
  return times.toSorted((a, b) => a - b)[Math.floor(repeats / 2)] ?? 0;
}
