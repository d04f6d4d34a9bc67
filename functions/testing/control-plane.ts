/** A control plane over the two fakes, with the real SDK clients between, for tests. */
import { Webhook } from "standardwebhooks";
import lock from "../../policies/support.lock.json" with { type: "json" };
import { type ControlPlane, composeControlPlane } from "../compose.ts";
import type { ResolveCredential } from "../customer-credentials.ts";
import { type FakeAnthropic, startFakeAnthropic } from "./fake-anthropic.ts";
import { type FakeSandboxApi, startFakeSandboxApi } from "./fake-sandbox-api.ts";

export const RUNNER_DIGEST = `sha256:${"1".repeat(64)}`;
export const CRON_SECRET = "cron-secret-of-the-test";
export const ENVIRONMENT_KEY = "sk-ant-oat01-environment-key";
/** URL-safe base64, as the Console shows it: the verifier alone would throw on it. */
export const SIGNING_KEY = "whsec_-_-_abcdefghijklmnopqrstuvwxyz-_-_";

const claims = { owner_id: "team_1", project_id: "prj_1", exp: 4_000_000_000 };

/** What the sandbox SDK takes its credentials from, as on the platform: a JWT with these claims. */
export const OIDC_TOKEN = `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;

/** A control plane and what it talks to. */
export interface TestDeployment {
  readonly anthropic: FakeAnthropic;
  readonly api: FakeSandboxApi;
  readonly plane: ControlPlane;
  readonly lines: string[];
  /** The variables of the deployment. */
  readonly env: Readonly<Record<string, string>>;
  /** What goes on after the answers. */
  readonly background: Promise<unknown>[];
  /** Another control plane over the same fakes, with other variables. */
  redeploy(
    env: Record<string, string | undefined>,
    other?: { lock?: unknown; resolveCredential?: ResolveCredential },
  ): ControlPlane;
  close(): Promise<void>;
}

export async function deploy(): Promise<TestDeployment> {
  process.env.VERCEL_OIDC_TOKEN = OIDC_TOKEN;
  const anthropic = await startFakeAnthropic("env_1", ENVIRONMENT_KEY);
  const api = await startFakeSandboxApi();
  api.snapshots.add("snap_1");
  api.files.set("/opt/handrail/manifest.json", JSON.stringify({ version: 1, digest: RUNNER_DIGEST, files: {} }));

  const lines: string[] = [];
  const background: Promise<unknown>[] = [];
  const env = {
    ANTHROPIC_BASE_URL: anthropic.url,
    ANTHROPIC_ENVIRONMENT_ID: "env_1",
    ANTHROPIC_ENVIRONMENT_KEY: ENVIRONMENT_KEY,
    ANTHROPIC_WEBHOOK_SIGNING_KEY: SIGNING_KEY,
    HANDRAIL_SNAPSHOT_ID: "snap_1",
    HANDRAIL_RUNNER_DIGEST: RUNNER_DIGEST,
    HANDRAIL_POLICY_DIGEST: lock.digest,
    HANDRAIL_CREDENTIAL_CRM: "crm-token-value",
    HANDRAIL_CREDENTIAL_CRM_WRITE: "crm-write-token-value",
    HANDRAIL_SANDBOX_API_URL: `${api.url}/`,
    CRON_SECRET,
  };
  const redeploy: TestDeployment["redeploy"] = (more, other = {}) =>
    composeControlPlane({
      env: { ...env, ...more },
      lock: other.lock ?? lock,
      resolveCredential: other.resolveCredential ?? (async () => undefined),
      // No deadline that would let a test wait: following ends at its first look.
      runtime: { waitUntil: (work) => background.push(work), deadline: () => new Date(Date.now() + 13_000) },
      write: (line) => lines.push(line),
      settleMs: 0,
    });
  return {
    anthropic,
    api,
    plane: redeploy({}),
    env,
    lines,
    background,
    redeploy,
    async close() {
      await Promise.all([anthropic.close(), api.close()]);
    },
  };
}

/** A delivery as Anthropic sends it. */
export function delivery(type: string, o: { id?: string; key?: string; sentAt?: Date } = {}): Request {
  const data = { type, id: o.id ?? "sesn_1", organization_id: "org_1", workspace_id: "wrkspc_1" };
  const body = JSON.stringify({ type: "event", id: "whe_1", created_at: "2026-11-21T00:00:00Z", data });
  const key = (o.key ?? SIGNING_KEY).replaceAll("-", "+").replaceAll("_", "/").replace("whsec/", "whsec_");
  const sentAt = o.sentAt ?? new Date();
  return new Request("https://handrail.example/api/webhook", {
    method: "POST",
    body,
    headers: {
      "webhook-id": "whe_1",
      "webhook-timestamp": String(Math.floor(sentAt.getTime() / 1000)),
      "webhook-signature": new Webhook(key).sign("whe_1", sentAt, body),
    },
  });
}

/** A call of the schedule. */
export function cronCall(authorization = `Bearer ${CRON_SECRET}`): Request {
  return new Request("https://handrail.example/api/drain", { headers: { authorization } });
}
