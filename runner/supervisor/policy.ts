/** What the supervisor takes from the policy: which agent it serves, and which requests deserve whose ticket. */
import { type BoundPolicy, bind } from "../../policies/engine/bind.ts";
import { evaluate } from "../../policies/engine/evaluate.ts";
import { type Lock, parseLock } from "../../policies/engine/lock.ts";
import type { AgentDefinition } from "../agent-definition.ts";
import type { BundledAgent } from "../agents/registry.ts";
import type { OutboundRequest } from "../fetch/brokered-fetch.ts";
import type { Handover } from "../handover.ts";
import type { Tool } from "../tool.ts";
import { BootError } from "./outcome.ts";

/** The principal that talks to Anthropic. */
export const SUPERVISOR = "supervisor";

/** Stands for every credential where the policy is bound inside the sandbox: only the firewall has the values. */
const PLACEHOLDER = "injected-by-the-firewall";

/**
 * Finds the agent whose lock has the digest that the control plane bound.
 *
 * @throws BootError `bad_policy` when no bundled lock has it, a lock is damaged, or the agent's tools do not agree.
 */
export function selectAgent(
  bundled: readonly BundledAgent[],
  policyDigest: string,
): { agent: AgentDefinition; lock: Lock } {
  const digests: string[] = [];
  for (const candidate of bundled) {
    const lock = readLock(candidate);
    digests.push(`${candidate.agent.name} ${lock.digest}`);
    if (lock.digest !== policyDigest) continue;
    const fault = toolsFault(candidate.agent.tools, lock);
    if (fault !== undefined) throw new BootError("bad_policy", `agent ${candidate.agent.name}: ${fault}`);
    return { agent: candidate.agent, lock };
  }
  throw new BootError(
    "bad_policy",
    `no agent of this runner has policy ${policyDigest} (it has ${digests.join(", ")}): deploy the functions and the ` +
      "snapshot from one release",
  );
}

/** What differs between an agent's tools and its lock's, in words; undefined when they agree. */
export function toolsFault(tools: readonly Tool[], lock: Pick<Lock, "tools">): string | undefined {
  const locked = new Map(Object.entries(lock.tools));
  for (const { name, kind, network } of tools) {
    const entry = locked.get(name);
    if (entry === undefined) return `tool ${name} is not in the policy: declare it there`;
    if (entry.kind !== kind || entry.network !== network) {
      return `tool ${name} is ${kind} with network ${network}, the policy has ${entry.kind} with ${entry.network}`;
    }
    locked.delete(name);
  }
  const [unserved] = locked.keys();
  return unserved === undefined ? undefined : `the policy names tool ${unserved}, which the agent does not have`;
}

/**
 * Binds the lock as the control plane did, with placeholders for the credentials.
 *
 * @throws BootError `bad_policy` when a variable is missing or malformed.
 */
export function bindInSandbox(lock: Lock, handover: Pick<Handover, "variables" | "tickets">): BoundPolicy {
  const credentials = Object.fromEntries(Object.keys(lock.credentials).map((name) => [name, PLACEHOLDER]));
  const { variables, tickets } = handover;
  try {
    return bind(lock, { phase: "run", variables, credentials, tickets });
  } catch (error) {
    throw new BootError("bad_policy", `the policy cannot be bound: ${(error as Error).message}`);
  }
}

/**
 * Whether a principal has a rule of its own for a request. The firewall decides by the same function; this only keeps
 * the ticket from going where it opens nothing.
 */
export function deservesTicket(bound: BoundPolicy, principal: string): (request: OutboundRequest) => boolean {
  return (request) => {
    const decision = evaluate(bound, request);
    const sent = decision.outcome.kind !== "denied" && decision.outcome.kind !== "answered";
    return sent && decision.principal === principal;
  };
}

function readLock({ agent, lock }: BundledAgent): Lock {
  try {
    return parseLock(lock);
  } catch (error) {
    throw new BootError("bad_policy", `the lock of agent ${agent.name} is damaged: ${(error as Error).message}`);
  }
}
