import { z } from "zod";
import { hasUnknown, type Properties, UNKNOWN } from "./properties.ts";
import type { Resource } from "./resource.ts";
import { ApiError, type VercelClient } from "./vercel-client.ts";

/** The provider's name of an authentication → the API's (contracts/vercel-provider.md §5.3). */
const DEPLOYMENT_TYPES: Record<string, string> = {
  standard_protection_new: "all_except_custom_domains",
  standard_protection: "prod_deployment_urls_and_all_previews",
  all_deployments: "all",
  only_preview_deployments: "preview",
};

const SKEW_SECONDS: Record<string, number> = {
  "30 minutes": 1800,
  "4 hours": 14_400,
  "12 hours": 43_200,
  "1 day": 86_400,
  "7 days": 604_800,
};

/** Optional texts that are sent as null when unset, by the API's name. */
const NULLABLE = [
  "buildCommand",
  "devCommand",
  "framework",
  "installCommand",
  "outputDirectory",
  "previewDeploymentSuffix",
  "rootDirectory",
];

/** Booleans that the update always carries: input → member of the body. */
const FLAGS: Record<string, string> = {
  automaticallyExposeSystemEnvironmentVariables: "autoExposeSystemEnvs",
  autoAssignCustomDomains: "autoAssignCustomDomains",
  customerSuccessCodeVisibility: "customerSupportCodeVisibility",
  directoryListing: "directoryListing",
  enableAffectedProjectsDeployments: "enableAffectedProjectsDeployments",
  enableProductionFeedback: "enableProductionFeedback",
  functionFailover: "serverlessFunctionZeroConfigFailover",
  gitForkProtection: "gitForkProtection",
  gitLfs: "gitLFS",
  previewDeploymentsDisabled: "previewDeploymentsDisabled",
  prioritiseProductionBuilds: "productionDeploymentsFastLane",
  protectedSourcemaps: "protectedSourcemaps",
};
const ON_BY_DEFAULT = ["autoAssignCustomDomains", "gitForkProtection"];

/** What the schema of the plugin fills in; a program that leaves these out plans no change against it. */
const DEFAULTS = {
  autoAssignCustomDomains: true,
  gitForkProtection: true,
  oidcTokenConfig: { issuerMode: "team" },
  vercelAuthentication: { deploymentType: "standard_protection_new" },
};

const text = z.string().optional();
const flag = z.boolean().optional();

export const project: Resource = {
  inputs: {
    name: z
      .string()
      .regex(/^[a-z0-9-]{1,52}$/, "must be 1 to 52 lower-case letters, digits and '-'")
      .optional(),
    nodeVersion: z.enum(["18.x", "20.x", "22.x", "24.x"]).optional(),
    teamId: text,
    ignoreCommand: text,
    enablePreviewFeedback: flag,
    skewProtection: z.enum(Object.keys(SKEW_SECONDS) as [string]).optional(),
    oidcTokenConfig: z.strictObject({ issuerMode: z.enum(["team", "global"]).optional() }).optional(),
    vercelAuthentication: z
      .strictObject({ deploymentType: z.enum([...Object.keys(DEPLOYMENT_TYPES), "none"]) })
      .optional(),
    resourceConfig: z
      .strictObject({
        fluid: flag,
        functionDefaultCpuType: z.enum(["standard_legacy", "standard", "performance"]).optional(),
        functionDefaultRegions: z.array(z.string()).optional(),
        functionDefaultTimeout: z.number().int().min(1).max(900).optional(),
      })
      .optional(),
    ...Object.fromEntries(NULLABLE.map((name) => [name, text])),
    ...Object.fromEntries(Object.keys(FLAGS).map((name) => [name, flag])),
  },
  replaces: (property) => property === "teamId",
  secrets: [],
  stable: ["id", "teamId"],

  async check(inputs, { name, olds, seed, client }) {
    const filled = { ...inputs, name: inputs.name ?? olds.name ?? autoName(name, seed) };
    const failures: Record<string, string> = {};
    if (typeof inputs.framework === "string" && inputs.framework !== UNKNOWN) {
      const known = await client.fetchPublic<{ slug: string | null }[]>("https://api-frameworks.zeit.sh/");
      if (!known.some(({ slug }) => slug === inputs.framework)) {
        failures.framework = `"${inputs.framework}" is not a framework that Vercel knows`;
      }
    }
    const { functionDefaultRegions: regions } = (inputs.resourceConfig ?? {}) as { functionDefaultRegions?: string[] };
    if (Array.isArray(regions) && !hasUnknown(regions)) {
      const known = await client.fetchPublic<Record<string, { caps: string[] }>>("https://dcs.vercel-infra.com");
      const wrong = regions.find((region) => !known[region]?.caps.includes("V2_DEPLOYMENT_CREATE"));
      if (wrong) failures["resourceConfig.functionDefaultRegions"] = `"${wrong}" is not a region that runs functions`;
    }
    return { inputs: filled, failures };
  },

  preview: (inputs, client) => ({ ...DEFAULTS, ...inputs, teamId: inputs.teamId ?? client.teamId ?? UNKNOWN }),

  async create(inputs, client) {
    const created = await client.call<{ id: string }>("POST", "/v8/projects", { body: creation(inputs) });
    await listEnvironment(created.id, client);
    const path = `/v9/projects/${created.id}`;
    const answer = await client.call("PATCH", path, { body: change(inputs) });
    return { id: created.id, outputs: outputsOf(answer, inputs, client) };
  },

  async read(id, state, client) {
    const [projectId = id] = id.split("/").slice(-1);
    try {
      const answer = await client.call("GET", `/v10/projects/${projectId}`);
      await listEnvironment(projectId, client);
      return { id: projectId, outputs: outputsOf(answer, state, client) };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  },

  async update(id, inputs, olds, client) {
    const renamed = inputs.name !== olds.name && { name: inputs.name };
    const answer = await client.call("PATCH", `/v9/projects/${id}`, { body: { ...change(inputs), ...renamed } });
    return outputsOf(answer, inputs, client);
  },

  async delete(id, _state, client) {
    await client.call("DELETE", `/v8/projects/${id}`).catch(ignoreMissing);
  },
};

/** A DELETE of what is gone has done its work. */
export function ignoreMissing(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 404)) throw error;
}

async function listEnvironment(id: string, client: VercelClient): Promise<void> {
  await client.call("GET", `/v8/projects/${id}/env`, { query: { decrypt: "true", limit: "100" } });
}

function shared(inputs: Properties): Properties {
  return {
    ...Object.fromEntries(NULLABLE.map((name) => [name, inputs[name] ?? null])),
    enableAffectedProjectsDeployments: inputs.enableAffectedProjectsDeployments ?? false,
    enableProductionFeedback: inputs.enableProductionFeedback ?? false,
    oidcTokenConfig: inputs.oidcTokenConfig ?? DEFAULTS.oidcTokenConfig,
    previewDeploymentsDisabled: inputs.previewDeploymentsDisabled ?? false,
    ssoProtection: ssoProtection(inputs),
    resourceConfig: resourceConfig(inputs),
  };
}

function creation(inputs: Properties): Properties {
  return {
    ...shared(inputs),
    name: inputs.name,
    commandForIgnoringBuildStep: inputs.ignoreCommand,
    enablePreviewFeedback: inputs.enablePreviewFeedback,
  };
}

/** The body of the PATCH: it carries every switch, so what the program leaves out is turned off (§5.8.2). */
function change(inputs: Properties): Properties {
  const flags = Object.entries(FLAGS).map(([input, member]) => [
    member,
    inputs[input] ?? ON_BY_DEFAULT.includes(input),
  ]);
  return {
    ...shared(inputs),
    commandForIgnoringBuildStep: inputs.ignoreCommand ?? null,
    enablePreviewFeedback: inputs.enablePreviewFeedback ?? null,
    ...Object.fromEntries(flags),
    passwordProtection: null,
    trustedIps: null,
    trustedSources: null,
    optionsAllowlist: null,
    gitComments: null,
    skewProtectionMaxAge: SKEW_SECONDS[String(inputs.skewProtection)] ?? 0,
    nodeVersion: inputs.nodeVersion,
  };
}

function ssoProtection(inputs: Properties): { deploymentType: string | undefined } | null {
  const { deploymentType } = (inputs.vercelAuthentication ??
    DEFAULTS.vercelAuthentication) as typeof DEFAULTS.vercelAuthentication;
  return deploymentType === "none" ? null : { deploymentType: DEPLOYMENT_TYPES[deploymentType] };
}

function resourceConfig(inputs: Properties): Properties | undefined {
  if (inputs.resourceConfig === undefined) return undefined;
  const { functionDefaultCpuType, ...rest } = inputs.resourceConfig as Properties;
  return { functionDefaultMemoryType: functionDefaultCpuType, ...rest };
}

/** What the answer says about each property; what nobody set and the schema does not default stays out. */
function outputsOf(answer: Properties, inputs: Properties, client: VercelClient): Properties {
  const known = { ...DEFAULTS, ...inputs };
  const outputs: Properties = {
    teamId: inputs.teamId ?? client.teamId,
    name: answer.name,
    nodeVersion: answer.nodeVersion,
  };
  const members: [string, string][] = [
    ...NULLABLE.map((name): [string, string] => [name, name]),
    ...Object.entries(FLAGS),
    ["ignoreCommand", "commandForIgnoringBuildStep"],
    ["enablePreviewFeedback", "enablePreviewFeedback"],
  ];
  for (const [input, member] of members) {
    const value = answer[member] ?? undefined;
    const untouched = !(input in known) && (value === undefined || value === false);
    if (!untouched) outputs[input] = value ?? known[input as keyof typeof known];
  }
  const sso = answer.ssoProtection as { deploymentType: string } | null | undefined;
  const authentication = Object.entries(DEPLOYMENT_TYPES).find(([, api]) => api === sso?.deploymentType)?.[0];
  outputs.vercelAuthentication =
    sso === undefined ? known.vercelAuthentication : { deploymentType: authentication ?? "none" };
  const { issuerMode } = (answer.oidcTokenConfig ?? known.oidcTokenConfig) as { issuerMode?: string };
  outputs.oidcTokenConfig = { issuerMode };
  const skew = Object.entries(SKEW_SECONDS).find(([, seconds]) => seconds === answer.skewProtectionMaxAge)?.[0];
  if (skew) outputs.skewProtection = skew;
  if (answer.resourceConfig) {
    const { functionDefaultMemoryType, ...rest } = answer.resourceConfig as Properties;
    outputs.resourceConfig = {
      ...rest,
      ...(functionDefaultMemoryType != null && { functionDefaultCpuType: functionDefaultMemoryType }),
    };
  }
  return outputs;
}

function autoName(name: string, seed: Uint8Array): string {
  const base = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-")
    .slice(0, 44);
  return `${base}-${Buffer.from(seed).toString("hex").slice(0, 7)}`;
}
