/** The stack: everything that one environment of the support agent consists of, from top to bottom. */
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import vercel from "@pulumiverse/vercel";
import { buildFunctions } from "../functions/build.ts";
import { credentialVariable } from "../functions/config.ts";
import { bind } from "../policies/engine/bind.ts";
import { type Lock, parseLock } from "../policies/engine/lock.ts";
import { loadPolicy, staleLock } from "../policies/engine/policy-files.ts";
import { egressTable } from "../policies/engine/table.ts";
import { agentTools } from "../runner/agent-definition.ts";
import { supportAgent } from "../runner/agents/support.ts";
import { buildRunner } from "../runner/build.ts";
import { toolsFault } from "../runner/supervisor/policy.ts";
import { snapshotSteps } from "../runner/vm.ts";
import { ControlPlane } from "./components/control-plane.ts";
import { readConfig } from "./config.ts";
import { Agent, EgressPolicy, Environment, Provider, Snapshot, WebhookEndpoint } from "./provider/resources.ts";
import { readWorkspace } from "./provider/workspace-files.ts";

// ── Configuration and builds: whatever is wrong with them is said before anything is touched. ──────────────────────

const stack = pulumi.getStack();
const config = readConfig(pulumi.runtime.allConfig(), stack);
const lock = await currentLock(supportAgent);
/** Relative to the repository root, where programs and providers run; the state must not name one checkout. */
const paths = { runner: "runner/dist", functions: "functions/dist" };
const runner = await buildRunner(paths.runner);
const functions = await buildFunctions(paths.functions);
const workspace = config.workspace === undefined ? undefined : await readWorkspace(config.workspace);

/** Values of the policy's credentials, by credential. */
const credentials: Record<string, pulumi.Output<string>> = { crm: config.crmToken, "crm-write": config.crmWriteToken };

// ── Accounts ───────────────────────────────────────────────────────────────────────────────────────────────────────

const onVercel = new vercel.Provider("vercel", { apiToken: config.vercelToken, team: config.vercelTeamId });
const onHandrail = new Provider("handrail", {
  anthropicBaseUrl: config.anthropicBaseUrl,
  anthropicApiKey: config.anthropicApiKey,
  sandboxApiUrl: config.sandboxApiUrl,
  vercelToken: config.vercelToken,
  vercelTeamId: config.vercelTeamId,
});

// ── At Anthropic ───────────────────────────────────────────────────────────────────────────────────────────────────

// The queue of work. A replacement has another id and needs another key from the Console, hence the protection.
const environment = new Environment(
  "environment",
  { name: `${supportAgent.name}-${stack}`, description: `Tools run on Vercel, in ${config.projectName}.` },
  { provider: onHandrail, protect: config.protect },
);

// What Claude is told and may call: the same definitions that the runner serves.
const agent = new Agent(
  supportAgent.name,
  {
    name: supportAgent.name,
    model: supportAgent.model,
    system: supportAgent.system,
    tools: agentTools(supportAgent.tools),
  },
  { provider: onHandrail },
);

// ── On Vercel ──────────────────────────────────────────────────────────────────────────────────────────────────────

const project = new vercel.Project(
  "project",
  {
    name: config.projectName,
    nodeVersion: "24.x",
    // Left out, the provider would turn it off.
    automaticallyExposeSystemEnvironmentVariables: true,
    oidcTokenConfig: { issuerMode: "team" },
    resourceConfig: { fluid: true, functionDefaultTimeout: 300 },
    // Snake case: the doc comments of the SDK show values that its validators refuse.
    vercelAuthentication: { deploymentType: "standard_protection_new" },
  },
  { provider: onVercel },
);

// The disk that every sandbox boots from. During its set-up the sandbox has the policy's setup phase.
const snapshot = new Snapshot(
  "snapshot",
  {
    projectId: project.id,
    image: config.sandboxImage,
    runnerDir: paths.runner,
    runnerDigest: runner.digest,
    workspaceDir: config.workspace,
    workspaceDigest: workspace?.digest,
    steps: snapshotSteps.map(({ cmd, args, sudo }) => ({ cmd, args: [...args], sudo })),
    networkPolicy: setupPolicy(),
    expirationDays: 30,
  },
  { provider: onHandrail },
);

// Webhook, drain and health, with everything that they need to know.
const controlPlane = new ControlPlane("control-plane", {
  projectId: project.id,
  outDir: paths.functions,
  settings: {
    ANTHROPIC_BASE_URL: config.anthropicBaseUrl,
    ANTHROPIC_ENVIRONMENT_ID: environment.environmentId,
    HANDRAIL_SNAPSHOT_ID: snapshot.snapshotId,
    HANDRAIL_RUNNER_DIGEST: runner.digest,
    HANDRAIL_POLICY_DIGEST: lock.digest,
    HANDRAIL_SANDBOX_API_URL: config.sandboxApiUrl,
  },
  secrets: {
    ANTHROPIC_ENVIRONMENT_KEY: config.environmentKey,
    ANTHROPIC_WEBHOOK_SIGNING_KEY: config.webhookSigningKey,
    CRON_SECRET: config.anthropicApiKey.apply(cronSecret),
    ...Object.fromEntries(Object.entries(credentials).map(([name, value]) => [credentialVariable(name), value])),
  },
  digests: { policy: lock.digest, runner: runner.digest, functions: functions.digest },
  providers: { vercel: onVercel, handrail: onHandrail },
});

// ── What must hold once it runs ────────────────────────────────────────────────────────────────────────────────────

const egressPolicy = new EgressPolicy(
  "egress-policy",
  {
    agent: supportAgent.name,
    digest: lock.digest,
    rules: egressTable(lock),
    healthUrl: `${config.productionUrl}/api/health`,
  },
  { provider: onHandrail, dependsOn: controlPlane },
);

const webhook = new WebhookEndpoint(
  "webhook",
  {
    url: `${config.productionUrl}/api/webhook`,
    events: ["session.status_run_started", "session.status_idled", "session.status_terminated"],
    environmentId: environment.environmentId,
    environmentKeyGiven: config.environmentKey !== undefined,
    signingKey: config.webhookSigningKey,
  },
  { provider: onHandrail, dependsOn: [controlPlane, egressPolicy] },
);

// ── Outputs ────────────────────────────────────────────────────────────────────────────────────────────────────────

export const environmentId = environment.environmentId;
export const agentId = agent.agentId;
export const snapshotId = snapshot.snapshotId;
export const runnerDigest = runner.digest;
export const policyDigest = egressPolicy.liveDigest;
export const projectId = project.id;
export const productionUrl = config.productionUrl;
/** What only a person can do, and where; empty when the stack is ready for work. */
export const gates = webhook.missing;

/** The agent's lock, when it is what the policy compiles to and names the agent's tools; else the run ends here. */
async function currentLock(agent: typeof supportAgent): Promise<Lock> {
  const policy = await loadPolicy(resolve(`policies/${agent.name}.policy.ts`));
  const stale = await staleLock(policy);
  if (stale !== null) throw new pulumi.RunError(stale);
  const lock = parseLock(JSON.parse(await readFile(policy.lockFile, "utf8")));
  const fault = toolsFault(agent.tools, lock);
  if (fault !== undefined) throw new pulumi.RunError(`${policy.file}: ${fault}`);
  return lock;
}

/** What a snapshot's builder may reach. No credential exists in this phase. */
function setupPolicy(): Record<string, unknown> | "deny-all" {
  const { networkPolicy } = bind(lock, { phase: "setup", variables: {}, credentials: {}, tickets: {} });
  return networkPolicy as Record<string, unknown> | "deny-all";
}

/** Needs no place of its own in the configuration, and changes with the key from which it is derived. */
function cronSecret(apiKey: string): string {
  return createHmac("sha256", apiKey).update(`handrail cron ${stack}`).digest("base64url");
}
