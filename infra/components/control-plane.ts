import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import vercel from "@pulumiverse/vercel";
import { SecretRevision } from "../provider/resources.ts";

export interface ControlPlaneArgs {
  /** Vercel project that the functions are deployed to. */
  projectId: pulumi.Input<string>;
  /** Folder with the built functions, relative to the Pulumi project: an absolute one would differ in every checkout. */
  outDir: string;
  /** Environment variables in clear, by name. */
  settings: Record<string, pulumi.Input<string> | undefined>;
  /** Environment variables whose values are secret, by name. Undefined: not there yet. */
  secrets: Record<string, pulumi.Output<string> | undefined>;
  /** What the deployment is made of, by name; stored with it, and shown in plans. */
  digests: Record<string, pulumi.Input<string>>;
  /** Providers of the resources inside. */
  providers: { vercel: pulumi.ProviderResource; handrail: pulumi.ProviderResource };
}

/**
 * The functions and their environment, deployed to production.
 *
 * Vercel binds environment variables when a deployment is made, so the deployment's `meta` stands for all of them: the
 * settings by a digest, the secrets by a random revision. A change of either makes another deployment.
 */
export class ControlPlane extends pulumi.ComponentResource {
  /** Id of the production deployment, `dpl_…`. */
  readonly deploymentId: pulumi.Output<string>;

  constructor(name: string, args: ControlPlaneArgs, opts?: pulumi.ComponentResourceOptions) {
    super("handrail:infra:ControlPlane", name, {}, opts);
    const onVercel = { parent: this, provider: args.providers.vercel };
    const settings = defined(args.settings);
    const secrets = defined(args.secrets);

    const variable = (key: string, value: pulumi.Input<string>, sensitive: boolean) =>
      new vercel.ProjectEnvironmentVariable(
        `${name}-${key}`,
        { projectId: args.projectId, key, value, sensitive, targets: ["production"] },
        onVercel,
      );
    const variables = [
      ...Object.entries(settings).map(([key, value]) => variable(key, value, false)),
      ...Object.entries(secrets).map(([key, value]) => variable(key, value, true)),
    ];

    const revision = new SecretRevision(
      `${name}-secrets`,
      { values: secrets },
      { parent: this, provider: args.providers.handrail },
    );

    const deployment = new vercel.Deployment(
      `${name}-production`,
      {
        projectId: args.projectId,
        files: vercel.getPrebuiltProjectOutput({ path: args.outDir }, onVercel).output,
        pathPrefix: args.outDir,
        production: true,
        deleteOnDestroy: true,
        meta: { ...args.digests, settings: pulumi.jsonStringify(settings).apply(digest), secrets: revision.revision },
      },
      { ...onVercel, dependsOn: variables },
    );

    this.deploymentId = deployment.id;
    this.registerOutputs({ deploymentId: this.deploymentId });
  }
}

function digest(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function defined<T>(map: Record<string, T | undefined>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).filter((entry): entry is [string, T] => entry[1] !== undefined));
}
