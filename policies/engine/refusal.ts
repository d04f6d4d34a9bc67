/** What the firewall answers when it refuses: words for the model, which reads them as the result of its tool call. */
import type { Grant } from "./compile.ts";
import type { QueryParam } from "./query.ts";

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

function whoMay({ principal }: Grant): string {
  if (principal === "sandbox") return "anything in the sandbox:";
  return principal === "supervisor" ? "the supervisor of the session alone:" : `the tool ${principal} alone:`;
}

function describeGrant({ rule }: Grant): string {
  return `${rule.methods.toSorted().join("|")} ${rule.host}${rule.path ?? "/*"}`;
}

function describeQuery(query: readonly QueryParam[]): string {
  if (query.length === 0) return "no query";
  const names = query.map(({ name, value }) => {
    if (value === null) return name;
    return `${name}=${value.map((part) => ("text" in part ? part.text : `{${part.variable}}`)).join("")}`;
  });
  return `the query parameters ${names.join(", ")} only`;
}
