/** Changes and outcomes in a reviewer's words. Text as it comes: each report escapes it in its own way. */

import type { Change, Verdict } from "../engine/compare/comparison.ts";
import type { Outcome } from "../engine/evaluate.ts";
import type { Review } from "./review.ts";
import { grows, verdictOf } from "./review.ts";

/** What becomes of a request: `sent with crm`, `refused (403)`, `sent without a credential, Host free`. */
export function outcomeWords(outcome: Outcome): string {
  const { kind, credentials = [], guestHeaders = [], hostFree, opaque, to, status } = outcome;
  if (kind === "denied") return "denied: no connection";
  if (kind === "answered") return `refused${status === undefined ? "" : ` (${status})`}`;
  const more = [
    ...(opaque ? ["unread: TLS is not terminated"] : []),
    ...(guestHeaders.length > 0 ? [`the guest's own ${guestHeaders.join(", ")} goes along`] : []),
    ...(hostFree ? ["Host free"] : []),
  ];
  const where = to === undefined ? "" : ` to ${to}`;
  const what = kind === "forwarded" ? "forwarded" : "sent";
  const using = credentials.length > 0 ? `with ${credentials.join(" + ")}` : "without a credential";
  return [`${what}${where} ${using}`, ...more].join("; ");
}

/** Who a change is about: `get_customer`, or `sandbox (anything that runs in it)`. */
export function principalWords(principal: string): string {
  return principal === "sandbox" ? "sandbox (anything that runs in it)" : principal;
}

/** What a change does, with the names left to the report: `gains` something, `loses` it, or `changes`. */
export function changeVerb(change: Change): "gains" | "loses" | "changes" | "could not be decided" {
  if (change.undecided !== undefined) return "could not be decided";
  if (change.verdict === "wider") return "gains";
  return change.verdict === "narrower" ? "loses" : "changes";
}

/** What is gained or lost: `crm on api.crm.example`, `packages.example without a credential`. */
export function subjectWords({ credential, host, phase }: Change): string {
  const what = credential === null ? `${host} without a credential` : `${credential} on ${host}`;
  return phase === "setup" ? `${what}, while the snapshot is built` : what;
}

/** The verdict for somebody who reads nothing else. */
export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
  equivalent: "No request is treated differently.",
  narrower: "Some requests are no longer possible; no new ones are.",
  wider: "New requests become possible.",
  incomparable: "New requests become possible, and others are lost or change.",
};

/** Whether the gate lets a review pass, in one sentence; null when it was not asked. `quote` sets off names of agents. */
export function passageWords(review: Review, quote: (name: string) => string = visible): string | null {
  if (review.policies.every(({ passage }) => passage.kind === "unasked")) return null;
  const stopped = review.policies.filter(({ passage }) => passage.kind === "stopped").map(({ agent }) => quote(agent));
  if (stopped.length > 0) return `Stopped: somebody must accept what ${stopped.join(", ")} gains.`;
  return grows(verdictOf(review)) ? "Passes: what is gained was accepted." : "Passes: nothing is gained.";
}

/** Writes a witness as the command that would send it; control characters are shown, never sent to a terminal. */
export function curlLine({ method, url, headers }: NonNullable<Change["witness"]>): string {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((text) => `-H ${shellQuote(`${name}: ${text}`)}`),
  );
  const path = url.replace(/^[^:]*:\/\/[^/?#]*/, "").replace(/[?#].*$/s, "");
  const dots = /(?:^|\/)\.{1,2}(?:\/|$)/.test(path) ? ["--path-as-is"] : [];
  const how = method === "GET" ? [] : method === "HEAD" ? ["--head"] : ["-X", shellQuote(method)];
  return visible(["curl", ...how, ...dots, shellQuote(url), ...lines].join(" "));
}

function shellQuote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Shows control characters, and those that reorder or hide text, as escapes: a report must not be steered by its data. */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ""}}`,
  );
}
