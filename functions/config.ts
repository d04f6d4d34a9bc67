/** The control plane's configuration: its environment variables, read once and checked whole. */
import { z } from "zod";

const CREDENTIAL_PREFIX = "HANDRAIL_CREDENTIAL_";

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be sha256:<64 hex digits>; `pulumi up` sets it");
const httpUrl = z.url({ protocol: /^https?$/, error: "must be an http(s) URL" });
const secret = (minimum: number) => z.string().min(minimum, `must have at least ${minimum} characters`);
const milliseconds = (minimum: number, maximum: number) =>
  z.coerce
    .number({ error: "must be a number of milliseconds" })
    .int()
    .min(minimum, `must be at least ${minimum} ms`)
    .max(maximum, `must be at most ${maximum} ms`);

const variables = z.object({
  ANTHROPIC_BASE_URL: httpUrl.default("https://api.anthropic.com"),
  ANTHROPIC_ENVIRONMENT_ID: z
    .string({ error: "is not set; `pulumi up` sets it" })
    .regex(/^[A-Za-z0-9_-]{1,128}$/, "must be the id of an Anthropic environment (env_…)"),
  ANTHROPIC_ENVIRONMENT_KEY: secret(16).optional(),
  ANTHROPIC_WEBHOOK_SIGNING_KEY: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/_-]{16,}={0,2}$/, "must be the whsec_… secret that the Anthropic Console showed once")
    .optional(),
  HANDRAIL_SANDBOX_ANTHROPIC_URL: httpUrl.default("https://api.anthropic.com"),
  HANDRAIL_SNAPSHOT_ID: z.string({ error: "is not set; `pulumi up` sets it" }).min(1),
  HANDRAIL_RUNNER_DIGEST: digest,
  HANDRAIL_POLICY_DIGEST: digest,
  CRON_SECRET: secret(16),
  HANDRAIL_SANDBOX_API_URL: httpUrl.optional(),
  // 0: until the deadline. The default is the SDK's own (contract §5.2).
  HANDRAIL_MAX_IDLE_MS: milliseconds(0, 86_400_000).default(60_000),
  // At least the time that a runner needs to start and to end properly; at most what any plan allows (24 h). The
  // default fits the smallest plan, 45 minutes (vercel-sandbox-api.md §3).
  HANDRAIL_SESSION_TIMEOUT_MS: milliseconds(120_000, 86_400_000).default(1_800_000),
});

/** What the functions run with. Holds secrets: never log it. */
export interface Config {
  readonly anthropicBaseUrl: string;
  readonly environmentId: string;
  /** Absent while the Console gate for the environment key is open. */
  readonly environmentKey: string | undefined;
  /** `whsec_…` in standard base64. Absent while the Console gate for the webhook is open. */
  readonly webhookSigningKey: string | undefined;
  /** Base URL of the Anthropic API as a sandbox reaches it. */
  readonly sandboxAnthropicUrl: string;
  readonly snapshotId: string;
  readonly runnerDigest: string;
  readonly policyDigest: string;
  /** Credential values by environment name, e.g. `CRM_WRITE`; look them up with {@link credentialValue}. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly cronSecret: string;
  /** Stands for `https://vercel.com/api`. */
  readonly sandboxApiUrl: string | undefined;
  /** How long a runner stays after a turn has ended, in ms. */
  readonly maxIdleMs: number;
  /** Lifetime of a session's sandbox, in ms. */
  readonly sessionTimeoutMs: number;
}

/** The environment is not usable. The message names each variable and its fix, and no value. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

/**
 * Reads the configuration.
 *
 * @throws ConfigError naming every variable that is missing or malformed
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  // An empty value is what a gate that was never passed looks like in some stacks: the same as none.
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const result = variables.safeParse(present);
  if (!result.success) {
    const issues = result.error.issues.map(({ path, message }) => {
      const name = String(path[0]);
      return name in present ? `${name} ${message}` : `${name} is not set; \`pulumi up\` sets it`;
    });
    throw new ConfigError(`the environment of the functions is not usable: ${issues.join("; ")}`);
  }
  const v = result.data;
  return {
    anthropicBaseUrl: v.ANTHROPIC_BASE_URL,
    environmentId: v.ANTHROPIC_ENVIRONMENT_ID,
    environmentKey: v.ANTHROPIC_ENVIRONMENT_KEY,
    webhookSigningKey: v.ANTHROPIC_WEBHOOK_SIGNING_KEY && standardBase64(v.ANTHROPIC_WEBHOOK_SIGNING_KEY),
    sandboxAnthropicUrl: v.HANDRAIL_SANDBOX_ANTHROPIC_URL,
    snapshotId: v.HANDRAIL_SNAPSHOT_ID,
    runnerDigest: v.HANDRAIL_RUNNER_DIGEST,
    policyDigest: v.HANDRAIL_POLICY_DIGEST,
    credentials: Object.fromEntries(
      Object.entries(present).flatMap(([name, value]) =>
        name.startsWith(CREDENTIAL_PREFIX) && value ? [[name.slice(CREDENTIAL_PREFIX.length), value]] : [],
      ),
    ),
    cronSecret: v.CRON_SECRET,
    sandboxApiUrl: v.HANDRAIL_SANDBOX_API_URL,
    maxIdleMs: v.HANDRAIL_MAX_IDLE_MS,
    sessionTimeoutMs: v.HANDRAIL_SESSION_TIMEOUT_MS,
  };
}

/** The environment variable that carries a policy's credential: `crm-write` → `HANDRAIL_CREDENTIAL_CRM_WRITE`. */
export function credentialVariable(name: string): string {
  return CREDENTIAL_PREFIX + environmentName(name);
}

/** The value of a policy's credential, or undefined when its variable is not set. */
export function credentialValue(config: Config, name: string): string | undefined {
  return config.credentials[environmentName(name)];
}

/** Every secret in the configuration, for the log to take out. */
export function secretsOf(config: Config): string[] {
  const { environmentKey, webhookSigningKey, cronSecret, credentials } = config;
  return [environmentKey, webhookSigningKey, cronSecret, ...Object.values(credentials)].filter(
    (value) => value !== undefined,
  );
}

function environmentName(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}

/**
 * The Console shows the secret in URL-safe base64, and the verifier that the SDK uses throws on `-` and `_`
 * (contract §6).
 */
function standardBase64(whsec: string): string {
  const prefix = "whsec_";
  return prefix + whsec.slice(prefix.length).replaceAll("-", "+").replaceAll("_", "/");
}
