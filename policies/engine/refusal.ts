/** What the firewall answers when it refuses: words for the model, which reads them as the result of its tool call. */
import type { Grant } from "./grant.ts";
import { describeHeaderConditions } from "./header-conditions.ts";
import { isTemplate } from "./parse-rule.ts";
import { describeQueryParams, type QueryParam } from "./query.ts";
import { describeRawPath } from "./raw-path.ts";

/** An answer of the firewall itself, as plain text. */
export interface Refusal {
  readonly status: number;
  readonly body: string;
}

const MOST_LINES = 20;

/** The refusals of one host. */
export function refusalOf(agent: string, host: string, grants: readonly Grant[]) {
  const policy = `policies/${agent}.policy.ts`;
  const say = (status: number, ...sentences: string[]): Refusal => ({
    status,
    body: `Refused by the egress policy of agent ${agent}. ${sentences.join(" ")}\n`,
  });
  return {
    oddPath: () =>
      say(
        400,
        `The path of this request to ${host} holds dot segments, empty segments, ";", "\\", or an escape of a separator,`,
        "a dot or a control character, which servers read in different ways.",
        "Send the path without them.",
      ),
    query: (grant: Grant) =>
      say(
        403,
        `${describeGrant(grant)} may be sent with ${describeQuery(grant.query)}, and this request has another.`,
        grant.principal === "supervisor"
          ? "Remove it."
          : `Remove it; to allow it, name it in ${grant.at} of ${policy}.`,
      ),
    condition: (grant: Grant) =>
      say(
        403,
        `${describeGrant(grant)} may be sent with ${describeHeaderConditions(grant.headers).join(" and ")} only, and this`,
        "request has another value.",
        "Correct the header.",
      ),
    headers: (grant: Grant, names: readonly string[]) =>
      say(
        403,
        `${describeGrant(grant)} may not be sent with a ${names.join(", ")} header of your own:`,
        grant.rule.credential === undefined
          ? "requests to this host go without credentials."
          : "the credential is added on the way.",
        "Remove the header.",
      ),
    rest: () => {
      const lines = grants.map((grant) => `- ${whoMay(grant)} ${describeGrant(grant)}`);
      const more = lines.length > MOST_LINES ? [`- and ${lines.length - MOST_LINES} more`] : [];
      return say(
        403,
        `No rule lets this request to ${host} through. Sending it again will not help.\n` +
          `What is allowed here:\n${[...lines.slice(0, MOST_LINES), ...more].join("\n")}\n` +
          `For anything else, ${policy} needs a rule that its owners agree to.`,
      );
    },
  };
}

/** What answers in place of a rule whose credential this session's customer has not got. */
export function refusalWithoutCustomer(agent: string, credential: string): Refusal {
  return {
    status: 403,
    body:
      `Refused by the egress policy of agent ${agent}. This request needs the credential ${credential} of the session's ` +
      "customer, and there is none for this session. Sending it again will not help.\n",
  };
}

function whoMay({ principal }: Grant): string {
  if (principal === "sandbox") return "anything in the sandbox:";
  return principal === "supervisor" ? "the supervisor of the session alone:" : `the tool ${principal} alone:`;
}

function describeGrant({ rule, path }: Grant): string {
  const shown = path === null ? "/*" : isTemplate(path) ? path.template : describeRawPath(path);
  return `${rule.methods.toSorted().join("|")} ${rule.host}${shown}`;
}

function describeQuery(query: readonly QueryParam[]): string {
  if (query.length === 0) return "no query";
  return `the query parameters ${describeQueryParams(query).join(", ")} only`;
}
