import { expect, test } from "vitest";
import { ConfigError, credentialValue, credentialVariable, readConfig, secretsOf } from "./config.ts";

const digest = `sha256:${"a".repeat(64)}`;
const env = {
  ANTHROPIC_ENVIRONMENT_ID: "env_1",
  HANDRAIL_SNAPSHOT_ID: "snap_1",
  HANDRAIL_RUNNER_DIGEST: digest,
  HANDRAIL_POLICY_DIGEST: digest,
  CRON_SECRET: "cron-secret-of-the-test",
};

test("an environment with both gates open is usable", () => {
  const config = readConfig(env);
  expect(config.environmentKey).toBeUndefined();
  expect(config.webhookSigningKey).toBeUndefined();
  expect(config.anthropicBaseUrl).toBe("https://api.anthropic.com");
  expect(config.sessionTimeoutMs).toBe(1_800_000);
});

test("an empty gate variable counts as an open gate", () => {
  expect(readConfig({ ...env, ANTHROPIC_ENVIRONMENT_KEY: "" }).environmentKey).toBeUndefined();
});

test("every missing or wrong variable is named with its fix, and no value is shown", () => {
  const broken = {
    ...env,
    HANDRAIL_SNAPSHOT_ID: undefined,
    ANTHROPIC_WEBHOOK_SIGNING_KEY: "not-a-signing-key-but-secret",
    HANDRAIL_RUNNER_DIGEST: "sha256:short",
  };
  const error = (() => {
    try {
      readConfig(broken);
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(error).toBeInstanceOf(ConfigError);
  const { message } = error as ConfigError;
  expect(message).toContain("HANDRAIL_SNAPSHOT_ID is not set; `pulumi up` sets it");
  expect(message).toContain("ANTHROPIC_WEBHOOK_SIGNING_KEY must be the whsec_…");
  expect(message).toContain("HANDRAIL_RUNNER_DIGEST must be sha256:");
  expect(message).not.toContain("not-a-signing-key-but-secret");
});

test("a signing key in URL-safe base64 is normalised", () => {
  const config = readConfig({ ...env, ANTHROPIC_WEBHOOK_SIGNING_KEY: "whsec_ab-_ab-_ab-_ab-_ab-_" });
  expect(config.webhookSigningKey).toBe("whsec_ab+/ab+/ab+/ab+/ab+/");
});

test("a credential is found under the variable that its name gives", () => {
  const config = readConfig({ ...env, HANDRAIL_CREDENTIAL_CRM_WRITE: "crm-write-token" });
  expect(credentialVariable("crm-write")).toBe("HANDRAIL_CREDENTIAL_CRM_WRITE");
  expect(credentialValue(config, "crm-write")).toBe("crm-write-token");
  expect(credentialValue(config, "crm")).toBeUndefined();
  expect(secretsOf(config)).toContain("crm-write-token");
});
