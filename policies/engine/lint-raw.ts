/** What is worth a second look in a raw network policy. */
import { hostProblem } from "./host.ts";
import type { Finding } from "./lint.ts";
import type { NetworkPolicy } from "./network-policy.ts";
import { place } from "./place.ts";

/** Looks over the domain keys of a raw policy; its rules are not read. */
export function lintRaw(policy: NetworkPolicy): Finding[] {
  if (typeof policy === "string") return [];
  const keys = Array.isArray(policy.allow) ? policy.allow : Object.keys(policy.allow ?? {});
  const at = (key: string, i: number) => place(Array.isArray(policy.allow) ? ["allow", i] : ["allow", key]);
  return keys.flatMap((key, i): Finding[] => {
    const twin = keys.find((other, j) => j < i && sameName(other) === sameName(key));
    if (twin !== undefined) {
      const words = `is ${JSON.stringify(twin)} but for case or a final dot, and which of them holds is not documented`;
      return [{ code: "same-host", level: "warning", place: at(key, i), words, fix: "Merge the two keys" }];
    }
    const wrong = hostProblem(key);
    return wrong
      ? [{ code: "unreadable-host", level: "warning", place: at(key, i), words: wrong.problem, fix: wrong.fix }]
      : [];
  });
}

function sameName(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}
