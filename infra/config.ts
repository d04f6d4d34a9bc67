/** The stack's configuration, checked whole before the first resource is declared. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { SIGNING_KEY } from "./provider/webhook-endpoint.ts";

const httpUrl = z
  .url({ protocol: /^https?$/, error: "must be an http(s) URL" })
  .transform((url) => url.replace(/\/+$/, ""));
const given = z
  .string()
  .min(1, "is empty")
  .regex(/^(?!\s)[\s\S]*(?<!\s)$/, "has blanks or a line end around it");
/** The stable address of a deployment is an origin: paths are appended to it. */
const origin = httpUrl.refine((url) => new URL(url).origin === url, "must be an address without a path");
const flag = z.enum(["true", "false"], "must be true or false").transform((text) => text === "true");

/**
 * Keys of the namespace `handrail:`. Those that a stack may leave out are declared nowhere else: a key that
 * Pulumi.yaml declares must have a value.
 */
const stackConfig = z.strictObject({
  /** Address of the Anthropic API, when it is not https://api.anthropic.com. */
  anthropicBaseUrl: httpUrl.optional(),
  /** API key of the workspace. Secret. */
  anthropicApiKey: given,
  /** Gate: the environment's key, which only the Anthropic Console makes. Secret. */
  environmentKey: given.min(16, "is too short for what the Console showed").optional(),
  /** Gate: the webhook endpoint's signing secret, which only the Anthropic Console shows. Secret. */
  webhookSigningKey: given.regex(SIGNING_KEY, "must be the secret that the Console showed: whsec_…").optional(),
  /** Value of the policy's credential `crm`. Secret. */
  crmToken: given,
  /** Value of the policy's credential `crm-write`. Secret. */
  crmWriteToken: given,
  /** Stands in for https://vercel.com/api, the address of Vercel Sandbox. */
  sandboxApiUrl: httpUrl.optional(),
  /** Vercel token. Secret. */
  vercelToken: given,
  /** Vercel team, `team_…`. */
  vercelTeamId: given,
  /** The stable production address, without a path; https://<projectName>.vercel.app when left out. */
  productionUrl: origin.optional(),
  /** Name of the Vercel project; handrail-<stack> when left out. */
  projectName: given.regex(/^[a-z0-9-]{1,52}$/, "must have 1 to 52 lower-case letters, digits and hyphens").optional(),
  /** Sandbox image; Vercel's default when left out. */
  sandboxImage: given.max(255).optional(),
  /** Folder, relative to the repository root, whose files every session finds in /workspace. */
  workspace: given.optional(),
  /** Whether the environment is protected; true unless anthropicBaseUrl is given. */
  protect: flag.optional(),
});

const SECRETS = ["anthropicApiKey", "environmentKey", "webhookSigningKey", "crmToken", "crmWriteToken", "vercelToken"];

type Checked = z.infer<typeof stackConfig>;
type SecretKey =
  | "anthropicApiKey"
  | "environmentKey"
  | "webhookSigningKey"
  | "crmToken"
  | "crmWriteToken"
  | "vercelToken";

/** Secrets are outputs, so that the engine encrypts whatever they become part of. */
export type StackConfig = Required<Pick<Checked, "productionUrl" | "projectName" | "protect">> &
  Omit<Checked, SecretKey | "productionUrl" | "projectName" | "protect"> & {
    [K in "anthropicApiKey" | "crmToken" | "crmWriteToken" | "vercelToken"]: pulumi.Output<string>;
  } & { [K in "environmentKey" | "webhookSigningKey"]: pulumi.Output<string> | undefined };

/**
 * @param all every configuration value of the stack in clear, by full key; the engine passes them to the program.
 * @throws pulumi.RunError that names each key and its fix, and no value.
 */
export function readConfig(all: Readonly<Record<string, string>>, stack: string): StackConfig {
  const prefix = "handrail:";
  const mine = Object.entries(all).filter(([key]) => key.startsWith(prefix));
  const result = stackConfig.safeParse(
    Object.fromEntries(mine.map(([key, value]) => [key.slice(prefix.length), value])),
  );
  if (!result.success) {
    throw new pulumi.RunError(
      `the configuration of stack ${stack} is not usable:\n${result.error.issues.flatMap(describe).join("\n")}`,
    );
  }
  const { anthropicApiKey, environmentKey, webhookSigningKey, crmToken, crmWriteToken, vercelToken, ...plain } =
    result.data;
  const projectName =
    plain.projectName ??
    `handrail-${stack}`
      .toLowerCase()
      .replace(/[^a-z0-9-]/g, "-")
      .slice(0, 52);
  return {
    ...plain,
    projectName,
    productionUrl: plain.productionUrl ?? `https://${projectName}.vercel.app`,
    protect: plain.protect ?? plain.anthropicBaseUrl === undefined,
    anthropicApiKey: pulumi.secret(anthropicApiKey),
    environmentKey: environmentKey === undefined ? undefined : pulumi.secret(environmentKey),
    webhookSigningKey: webhookSigningKey === undefined ? undefined : pulumi.secret(webhookSigningKey),
    crmToken: pulumi.secret(crmToken),
    crmWriteToken: pulumi.secret(crmWriteToken),
    vercelToken: pulumi.secret(vercelToken),
  };
}

function describe(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map(
      (key) => `  handrail:${key} is not a key of this project; remove it: npm run pulumi -- config rm handrail:${key}`,
    );
  }
  const key = String(issue.path[0]);
  // A secret is typed where it is asked for: on the command line it would stay in the shell's history.
  const set = `npm run pulumi -- config set ${SECRETS.includes(key) ? `--secret handrail:${key}` : `handrail:${key} <value>`}`;
  const problem = issue.code === "invalid_type" ? "is missing" : issue.message;
  return [`  handrail:${key} ${problem}; set it: ${set}`];
}
