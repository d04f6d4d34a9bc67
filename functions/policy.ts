/** The policy that this deployment enforces: the lock in its bundle, and how a session's sandbox is bound to it. */
import { bind } from "../policies/engine/bind.ts";
import { credentialHeaderValue } from "../policies/engine/credential-header.ts";
import type { Lock } from "../policies/engine/lock.ts";
import type { NetworkPolicy } from "../policies/engine/network-policy.ts";
import { newTicket } from "../policies/engine/ticket.ts";
import { type Config, ConfigError, credentialValue, credentialVariable } from "./config.ts";
import { type CustomerSources, customerSources, isHeaderValue } from "./customer-credentials.ts";

/** A bound policy and the tickets that it knows, by principal. Holds credentials: for the sandbox API only. */
export interface BoundSession {
  readonly networkPolicy: NetworkPolicy;
  readonly tickets: Readonly<Record<string, string>>;
  /** Every secret that went in or came out: tickets, credentials, and credentials as they are on the wire. */
  readonly secrets: readonly string[];
}

/** The policy as a claim needs it. */
export interface SessionPolicy {
  /** `sha256:<hex>` of the lock. */
  readonly digest: string;
  /** Where each variable's value comes from: `session`, `work`, `environment` or `metadata.<key>`. */
  readonly variables: Readonly<Record<string, { readonly source: string }>>;
  /** Where the credentials come from that each customer has of their own. */
  readonly customerSources: CustomerSources;
  /**
   * Binds the run phase with fresh tickets.
   *
   * @param customerCredentials by name; the rules of those that are missing are denied
   * @throws PolicyError when a value is missing or malformed
   */
  bind(
    variables: Readonly<Record<string, string>>,
    sessionsToken: string,
    customerCredentials: Readonly<Record<string, string>>,
  ): BoundSession;
}

/**
 * The policy of a lock, with the credential values of the configuration.
 *
 * @throws ConfigError naming the variables of every credential that has no value, or one that cannot be sent
 */
export function sessionPolicy(lock: Lock, config: Config): SessionPolicy {
  const secrets: Record<string, string> = {};
  const tokens: string[] = [];
  const missing: string[] = [];
  const malformed: string[] = [];
  for (const [name, { source }] of Object.entries(lock.credentials)) {
    if (source.type === "sessionsToken") {
      tokens.push(name);
      continue;
    }
    if (source.type === "perCustomer") continue;
    const value = credentialValue(config, name);
    if (value === undefined) missing.push(credentialVariable(name));
    else if (!isHeaderValue(value)) malformed.push(credentialVariable(name));
    else secrets[name] = value;
  }
  if (missing.length > 0) {
    throw new ConfigError(`the policy needs ${missing.join(", ")}: set the stack's secrets and run \`pulumi up\``);
  }
  if (malformed.length > 0) {
    throw new ConfigError(
      `${malformed.join(", ")} cannot be sent in a header: give the stack's secret one line of printable ASCII, without ` +
        "spaces around it, and run `pulumi up`",
    );
  }
  // `sandbox` is whoever sends no ticket.
  const principals = ["supervisor"];
  for (const [tool, { network }] of Object.entries(lock.tools)) if (network === "own") principals.push(tool);

  return {
    digest: lock.digest,
    variables: lock.variables,
    customerSources: customerSources(lock),
    bind(variables, sessionsToken, customerCredentials) {
      const tickets = Object.fromEntries(principals.map((principal) => [principal, newTicket()]));
      const credentials = {
        ...customerCredentials,
        ...secrets,
        ...Object.fromEntries(tokens.map((name) => [name, sessionsToken])),
      };
      const { networkPolicy } = bind(lock, { phase: "run", variables: { ...variables }, credentials, tickets });
      return { networkPolicy, tickets, secrets: [...Object.values(tickets), ...wireForms(lock, credentials)] };
    },
  };
}

/** Credentials in every form that a request carries: the value, its header, and the header without its scheme. */
function wireForms(lock: Lock, credentials: Readonly<Record<string, string>>): string[] {
  return Object.entries(credentials).flatMap(([name, value]) => {
    const form = lock.credentials[name]?.form;
    if (form === undefined) return [value];
    const header = credentialHeaderValue(form, value);
    return [value, header, header.slice(header.indexOf(" ") + 1)];
  });
}

/**
 * Values of the policy's variables for one claim.
 *
 * @returns the values, or the name of the first variable that has none that can be bound and where it should come from
 */
export function variablesOf(
  variables: SessionPolicy["variables"],
  from: { session: string; work: string; environment: string; metadata: Readonly<Record<string, string>> },
): { values: Record<string, string> } | { missing: string; source: string } {
  const values: Record<string, string> = {};
  for (const [name, { source }] of Object.entries(variables)) {
    const value = source.startsWith("metadata.")
      ? from.metadata[source.slice("metadata.".length)]
      : from[source as "session" | "work" | "environment"];
    if (value === undefined || !/^[A-Za-z0-9_-]+$/.test(value)) return { missing: name, source };
    values[name] = value;
  }
  return { values };
}
