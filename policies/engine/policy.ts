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

/** Where the value of a credential comes from. Two sources are two credentials. */
export type CredentialSource =
  /** A secret of the stack's configuration, by its key: one value for every session. */
  | { readonly type: "secret"; readonly name: string }
  /**
   * The customer's own, asked for by the control plane when a session's sandbox is spawned: `functions/resolvers.ts` is
   * given `resolver` and the session's `metadata.<metadata>`. Write it with `perCustomer`.
   */
  | { readonly type: "perCustomer"; readonly resolver: string; readonly metadata: string };

/** A named credential. Its value lives at its source and in the bound policy, nowhere else. */
export interface Credential {
  readonly form: CredentialForm;
  readonly source: CredentialSource;
}

/** What a value must be: any (`true`), this one, or one of these. `{name}` stands for a bound variable. */
export type Expected = true | string | readonly string[];

/**
 * Query parameters that a rule allows: names, or names with the values they must have. What is not named is refused, and
 * so is another value, also beside a right one. None must be there, except what is `required`, and what is bound to a
 * variable: without its filter, a request would ask for everyone's.
 *
 * @example
 * query: ["limit", "page"]
 * query: { customer: "{customer}", page: true, order: ["asc", "desc"] }
 * query: { service: { required: "git-upload-pack" } }
 */
export type Query = readonly string[] | Readonly<Record<string, Expected | { readonly required: Expected }>>;

/**
 * Headers that a request must carry for a rule to hold, with the values they must have. Another value is refused, also
 * beside a right one.
 *
 * @example
 * headers: { "x-amz-target": ["Notes.Get", "Notes.List"] }
 */
export type HeaderConditions = Readonly<Record<string, Expected>>;

/** An answer of the firewall itself, in place of the host's (the SDK's `response`). */
export interface FirewallResponse {
  /** 200 to 599. */
  readonly statusCode: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Must be there when there is a body. */
  readonly contentType?: string;
}

/** What a rule asks for although it is refused by default. It shows with its reason in the lock and in every report. */
export interface UnsafeRule {
  /** In place of `path`: every raw path that starts so, `/v1/%2e%2e/admin` included. */
  readonly pathStartsWith?: string;
  /** In place of `path`: every raw path in which RE2 finds this; anchor it yourself. */
  readonly pathRegex?: string;
  /** The credential goes to every host below a wildcard, whoever may add one there. */
  readonly wildcardCredential?: true;
  /** The host is `*`: every name, and traffic that is not TLS as well. */
  readonly anyHost?: true;
  /** Why nothing safer will do, for the reviewer. */
  readonly reason: string;
}

/** One row of the table: requests that a principal may send, or that are answered for it. */
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
  /** Headers that a request must carry. */
  readonly headers?: HeaderConditions;
  /** Parameters of `path` that the model chooses, so that no misspelt variable becomes one. */
  readonly modelChooses?: readonly string[];
  /** The credential that the firewall adds. */
  readonly credential?: CredentialName;
  /**
   * Sends to this HTTPS URL instead, the request's path appended to the URL's: a proxy of yours, which is told the host
   * that was asked for and who asks. No credential can be added on the way there, and the ticket is not taken off.
   */
  readonly forwardURL?: string;
  /** Answers instead of sending. */
  readonly response?: FirewallResponse;
  /** Why a request that is refused by default is allowed here. Shown in every report. */
  readonly reason?: string;
  readonly unsafe?: UnsafeRule;
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
  | "forwarded"
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

/**
 * A claim that no such request reaches any host, by whatever principal is named or by none. It is proved for all
 * requests and all values of variables, by `npm test` and by `policy check`.
 */
export interface UnreachableClaim<ToolName extends string = string> {
  /** `anyone` is every principal. */
  readonly as: ToolName | "supervisor" | "sandbox" | "anyone";
  /** An exact host name, or a leading `*.`. */
  readonly host: string;
  /** @default every method */
  readonly methods?: readonly Method[];
  /** Path template whose `{name}`s are bound variables where one is declared, and any one segment otherwise.
   * @default every path */
  readonly path?: string;
  /** @default "run" */
  readonly phase?: Phase;
}

/** Raw access by address, past every rule: any protocol, any port, and every name if no host is allowed. */
export interface UnsafeSubnets {
  /** Ranges as CIDR, e.g. `10.0.0.0/8`; `deny` goes before `allow` and before hosts. */
  readonly subnets: { readonly allow?: readonly string[]; readonly deny?: readonly string[] };
  readonly reason: string;
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
  readonly unreachable?: readonly UnreachableClaim<NoInfer<ToolName>>[];
  /** What the whole sandbox has while a session runs, although it is refused by default. */
  readonly unsafe?: UnsafeSubnets;
}

/** A checked policy: what `definePolicy` returns and `compile` takes. */
export interface Policy extends PolicyInput {
  readonly checked: true;
}
