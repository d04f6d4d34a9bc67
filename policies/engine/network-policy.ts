/** The SDK's own types of a network policy: what Vercel's firewall takes and what `evaluate` reads. */
import type {
  NetworkPolicy,
  NetworkPolicyKeyValueMatcher,
  NetworkPolicyMatch,
  NetworkPolicyMatcher,
  NetworkPolicyRule,
} from "@vercel/sandbox";

export type {
  NetworkPolicy,
  NetworkPolicyKeyValueMatcher,
  NetworkPolicyMatch,
  NetworkPolicyMatcher,
  NetworkPolicyRule,
};
