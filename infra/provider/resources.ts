/** The provider's resource types as the program uses them. */
import * as pulumi from "@pulumi/pulumi";

export interface ProviderArgs {
  /** Address of the Anthropic API; https://api.anthropic.com unless given. */
  anthropicBaseUrl?: pulumi.Input<string | undefined>;
  /** API key of the workspace in which environments and agents live. */
  anthropicApiKey: pulumi.Input<string>;
  /** Stands in for https://vercel.com/api, the address of Vercel Sandbox. */
  sandboxApiUrl?: pulumi.Input<string | undefined>;
  /** Vercel token that may create sandboxes in the project. */
  vercelToken?: pulumi.Input<string | undefined>;
  /** Vercel team that owns the project, `team_…`. */
  vercelTeamId?: pulumi.Input<string | undefined>;
}

/** The accounts in which resources live. Give it to each resource by `{ provider }`. */
export class Provider extends pulumi.ProviderResource {
  constructor(name: string, args: ProviderArgs, opts?: pulumi.ResourceOptions) {
    super(
      "handrail",
      name,
      {
        ...args,
        anthropicApiKey: pulumi.secret(args.anthropicApiKey),
        vercelToken: args.vercelToken === undefined ? undefined : pulumi.secret(args.vercelToken),
      },
      opts,
    );
  }
}

export interface EnvironmentArgs {
  /** Name, by which people find it in the Console. */
  name: pulumi.Input<string>;
  description?: pulumi.Input<string | undefined>;
  /** At most 15 pairs, keys to 64 and values to 512 characters. */
  metadata?: pulumi.Input<Record<string, pulumi.Input<string>> | undefined>;
}

/**
 * A self-hosted environment at Anthropic: the queue from which this project takes work.
 *
 * Its key can only be made in the Console, so a replacement would need a person: use `protect` where that matters.
 */
export class Environment extends pulumi.CustomResource {
  declare readonly name: pulumi.Output<string>;
  /** `env_…`. */
  declare readonly environmentId: pulumi.Output<string>;

  constructor(name: string, args: EnvironmentArgs, opts?: pulumi.CustomResourceOptions) {
    super("handrail:index:Environment", name, { ...args, environmentId: undefined }, opts);
  }
}

export interface SecretRevisionArgs {
  /** Secrets by name. The names are shown in plans, the values never. */
  values: pulumi.Input<Record<string, pulumi.Input<string>>>;
}

/**
 * A random `revision` that changes whenever one of the values does.
 *
 * @example
 * ```ts
 * const secrets = new SecretRevision("secrets", { values: { "crm-write": config.crmWriteToken } });
 * new vercel.Deployment("production", { meta: { secrets: secrets.revision }, … });   // a changed secret redeploys
 * ```
 */
export class SecretRevision extends pulumi.CustomResource {
  declare readonly revision: pulumi.Output<string>;
  /** Names of the values, sorted. */
  declare readonly keys: pulumi.Output<string[]>;

  constructor(name: string, args: SecretRevisionArgs, opts?: pulumi.CustomResourceOptions) {
    super("handrail:index:SecretRevision", name, { ...args, revision: undefined, keys: undefined }, opts);
  }
}

/** A tool of an agent; `agentTools` of runner/agent-definition.ts makes them. */
export interface AgentToolArgs {
  type: "custom";
  name: string;
  description: string;
  input_schema: Record<string, unknown> & { type: "object" };
}

export interface AgentArgs {
  name: pulumi.Input<string>;
  /** Model id, such as `claude-opus-5-5`. */
  model: pulumi.Input<string>;
  /** System prompt. */
  system?: pulumi.Input<string | undefined>;
  description?: pulumi.Input<string | undefined>;
  /** Every tool that Claude may call. */
  tools: pulumi.Input<AgentToolArgs[]>;
  /** At most 15 pairs, keys to 64 and values to 512 characters. */
  metadata?: pulumi.Input<Record<string, pulumi.Input<string>> | undefined>;
}

/** A managed agent. Deleting it archives it; sessions that run go on with the version that they started with. */
export class Agent extends pulumi.CustomResource {
  declare readonly name: pulumi.Output<string>;
  /** `agent_…`. */
  declare readonly agentId: pulumi.Output<string>;
  /** Counts the changes. */
  declare readonly version: pulumi.Output<number>;

  constructor(name: string, args: AgentArgs, opts?: pulumi.CustomResourceOptions) {
    super("handrail:index:Agent", name, { ...args, agentId: undefined, version: undefined }, opts);
  }
}

/** One command of a snapshot's set-up. */
export interface SnapshotStepArgs {
  cmd: string;
  args: string[];
  sudo: boolean;
}

export interface SnapshotArgs {
  /** Vercel project that the sandboxes belong to. */
  projectId: pulumi.Input<string>;
  /** Sandbox image; Vercel's default unless given. */
  image?: pulumi.Input<string | undefined>;
  /** Folder with the built runner, relative to the project. */
  runnerDir: pulumi.Input<string>;
  /** `sha256:<hex>`, what `buildRunner` returned. */
  runnerDigest: pulumi.Input<string>;
  /** Folder whose files every session finds in its workspace, relative to the project. */
  workspaceDir?: pulumi.Input<string | undefined>;
  /** `sha256:<hex>` of those files, what `readWorkspace` returned. */
  workspaceDigest?: pulumi.Input<string | undefined>;
  /** Commands that prepare the image, run in this order after the runner was installed. */
  steps: pulumi.Input<SnapshotStepArgs[]>;
  /** What the builder may reach during set-up: a bound policy without credentials. */
  networkPolicy: pulumi.Input<"deny-all" | Record<string, unknown>>;
  /** Days after which Vercel deletes the snapshot; the next `up` then builds it again. */
  expirationDays: pulumi.Input<number>;
}

/**
 * The disk that every session's sandbox boots from. Any change of what it is made from replaces it: the new one is
 * made first, the old one goes when the functions use the new one.
 */
export class Snapshot extends pulumi.CustomResource {
  /** `snap_…`. */
  declare readonly snapshotId: pulumi.Output<string>;
  /** Digest of everything that it is made from. */
  declare readonly contentDigest: pulumi.Output<string>;
  declare readonly runnerDigest: pulumi.Output<string>;
  /** RFC 3339, or "never". */
  declare readonly expiresAt: pulumi.Output<string>;

  constructor(name: string, args: SnapshotArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { snapshotId: undefined, contentDigest: undefined, expiresAt: undefined };
    super("handrail:index:Snapshot", name, { ...args, ...outputs }, opts);
  }
}

export interface EgressPolicyArgs {
  /** The agent whose policy it is: `policies/<agent>.lock.json`. */
  agent: pulumi.Input<string>;
  /** The lock's digest. */
  digest: pulumi.Input<string>;
  /** Principal → `METHOD host/path` → outcome in words; `egressTable(lock)` makes it. */
  rules: pulumi.Input<Record<string, Record<string, string>>>;
  /** `/api/health` of the deployed functions. */
  healthUrl: pulumi.Input<string>;
}

/**
 * What each principal may reach, as the deployed functions enforce it. Make it depend on their deployment: it holds
 * only after they have said that this policy is live.
 */
export class EgressPolicy extends pulumi.CustomResource {
  declare readonly digest: pulumi.Output<string>;
  /** What the functions reported last. */
  declare readonly liveDigest: pulumi.Output<string>;

  constructor(name: string, args: EgressPolicyArgs, opts?: pulumi.CustomResourceOptions) {
    super("handrail:index:EgressPolicy", name, { ...args, liveDigest: undefined }, opts);
  }
}

export interface WebhookEndpointArgs {
  /** The stable production address, never that of one deployment. */
  url: pulumi.Input<string>;
  /** Event types to choose in the Console. */
  events: pulumi.Input<string[]>;
  /** Environment whose key is asked for. */
  environmentId: pulumi.Input<string>;
  /** Whether the stack's configuration has the environment's key. */
  environmentKeyGiven: pulumi.Input<boolean>;
  /** Signing secret that the Console showed; missing while the gate is open. */
  signingKey?: pulumi.Input<string | undefined>;
}

/** The endpoint that a person registers in the Anthropic Console. With both gates closed it is checked on every `up`. */
export class WebhookEndpoint extends pulumi.CustomResource {
  declare readonly status: pulumi.Output<"verified" | "gate open" | "failing">;
  /** What a person has to do, and where; empty when nothing. */
  declare readonly missing: pulumi.Output<string[]>;

  constructor(name: string, args: WebhookEndpointArgs, opts?: pulumi.CustomResourceOptions) {
    const signingKey = args.signingKey === undefined ? undefined : pulumi.secret(args.signingKey);
    super("handrail:index:WebhookEndpoint", name, { ...args, signingKey, status: undefined, missing: undefined }, opts);
  }
}
