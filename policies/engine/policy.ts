/** The policy language: what a `*.policy.ts` file says. */
import type { Method } from "./methods.ts";

/** When a policy holds: while a snapshot is built, or while a session runs. */
export type Phase = "setup" | "run";

/** Variables that every policy has: ids of the claimed session, its work item and its environment. */
export const BUILT_IN_VARIABLES = ["session", "work", "environment"] as const;

export type BuiltInVariable = (typeof BUILT_IN_VARIABLES)[number];

/** How a credential looks on the wire. Two forms of one secret are two credentials. */
export type CredentialForm =
  /** `Authorization: Bearer <value>` */
  | { readonly type: "bearer" }
  /** `Authorization: Basic base64(<username>:<value>)` */
  | { readonly type: "basic"; readonly username: string }
  /** `<name>: <value>` */
  | { readonly type: "header"; readonly name: string };

/** A named credential. Its value lives in the stack's configuration and in the bound policy, nowhere else. */
export interface Credential {
  readonly form: CredentialForm;
  /** A secret of the stack's configuration, by its key. */
  readonly source: { readonly type: "secret"; readonly name: string };
}

/**
 * Query parameters that a rule allows: names, or names with the value they must have (`true`: any). In a value, `{name}`
 * stands for a bound variable. What is not named is refused, and so is another value; none of them is required.
 *
 * @example
 * query: ["limit", "page"]
 * query: { service: "git-upload-pack", customer: "{customer}", page: true }
 */
export type Query = readonly string[] | Readonly<Record<string, string | true>>;

/** One row of the table: requests that a principal may send. */
export interface AllowRule<CredentialName extends string = string> {
  /** An exact host name, or a leading `*.` for subdomains of any depth (never with a credential). */
  readonly host: string;
  /** @example ["GET", "HEAD"] */
  readonly methods: readonly Method[];
  /**
   * Path template. `{name}` is one segment: a bound variable where one of this name is declared, otherwise a parameter
   * that must be listed in `modelChooses`. A last segment `{name...}` is one segment or more. Without `path` the whole
   * host is meant, which no credential can be given for.
   */
  readonly path?: string;
  /** Query parameters; none when left out. */
  readonly query?: Query;
  /** Parameters of `path` that the model chooses, so that no misspelt variable becomes one. */
  readonly modelChooses?: readonly string[];
  /** The credential that the firewall adds. */
  readonly credential?: CredentialName;
  /** Why a request that is refused by default is allowed here. Shown in every report. */
  readonly reason?: string;
}

/** Where a tool runs, and what it reaches from there. */
export type Tool<CredentialName extends string = string> =
  /** Runs in the supervisor and sends requests as itself: a principal of its own. */
  | { readonly kind: "api"; readonly network: "own"; readonly allow: readonly AllowRule<CredentialName>[] }
  /** Runs in the executor, on files. It has no network. */
  | { readonly kind: "file"; readonly network: "none"; readonly allow?: never }
  /** Starts commands in the executor: with the network of the sandbox, or in an empty one. */
  | { readonly kind: "command"; readonly network: "sandbox" | "none"; readonly allow?: never };

/** What a request of an inline test comes to. `refused` is any answer of the firewall itself. */
export type Expectation<CredentialName extends string = string> =
  | "denied"
  | "refused"
  | "plain"
  | `credentialed(${CredentialName | "session-token"})`;

/** An inline test: this request, by this principal, comes to this. Run by `npm test` and by `policy check`. */
export interface InlineTest<CredentialName extends string = string, ToolName extends string = string> {
  /** Who sends: with this principal's ticket, or without one for `sandbox`. */
  readonly as: ToolName | "supervisor" | "sandbox";
  /** Method and URL, sent as written: no normalisation of the path. Variables take their example values. */
  readonly send: `${string} https://${string}`;
  readonly headers?: Readonly<Record<string, string>>;
  /** @default "run" */
  readonly phase?: Phase;
  readonly expect: Expectation<CredentialName>;
}

/** A policy as it is written. */
export interface PolicyInput<
  CredentialName extends string = string,
  VariableName extends string = string,
  ToolName extends string = string,
> {
  /** The agent's name; also that of the files, `policies/<agent>.policy.ts` and `.lock.json`. */
  readonly agent: string;
  /** Values bound when a session's sandbox is spawned, from metadata that the session was created with. */
  readonly variables?: Readonly<
    Record<VariableName, { readonly source: `metadata.${string}`; readonly example: string }>
  >;
  readonly credentials?: Readonly<Record<CredentialName, Credential>>;
  /** Every tool of the agent, whether or not it has a network. */
  readonly tools: Readonly<Record<ToolName, Tool<NoInfer<CredentialName>>>>;
  /** What anything in the sandbox reaches while a session runs, without a ticket. */
  readonly sandbox?: readonly AllowRule<NoInfer<CredentialName>>[];
  /** What anything in the sandbox reaches while the snapshot is built. */
  readonly setup?: readonly AllowRule<NoInfer<CredentialName>>[];
  readonly tests?: readonly InlineTest<NoInfer<CredentialName>, NoInfer<ToolName>>[];
}

/** A checked policy: what `definePolicy` returns and `compile` takes. */
export interface Policy extends PolicyInput {
  readonly checked: true;
}
