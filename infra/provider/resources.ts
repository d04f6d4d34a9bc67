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
