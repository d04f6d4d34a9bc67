/** The life of one stack, with the real engine, on a local cloud. Each test goes on where the one before ended. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { places } from "./engine/places.mjs";
import { runPulumi } from "./engine/pulumi.ts";
import { type LocalCloud, startLocalCloud } from "./local/cloud.ts";
import { LocalStack, randomSecrets } from "./local/stack.ts";
import { copyCheckout } from "./local/stack-checkout.ts";
import { remoteObjects } from "./local/stack-objects.ts";

// Each test runs the engine, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 240_000 });

let folder: string;
let checkout: string;
let stateDir: string;
let cloud: LocalCloud;
let stack: LocalStack;
/** Every line that the engine, the functions or a server logged. */
const logs: string[] = [];
/** Every secret that the stack was ever given, by a name for messages. */
const secrets: Record<string, string> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "handrail-stack-"));
  stateDir = join(folder, "state");
  checkout = await copyCheckout(join(folder, "checkout"));
  cloud = await startLocalCloud({
    stateDir,
    nodeBinary: places().node,
    onLog: (source, record) => logs.push(JSON.stringify({ source, ...record })),
  });
  const { endpoints } = cloud;
  stack = new LocalStack({ endpoints, stateDir, cwd: checkout, onLine: (line) => logs.push(line) });
  const tokens = randomSecrets();
  Object.assign(secrets, tokens, { apiKey: endpoints.apiKey, vercelToken: endpoints.vercelToken });
  await stack.configure(tokens);
});

afterAll(async () => {
  await cloud?.close();
  await rm(folder, { recursive: true, force: true });
});

/** The plan of the next `up`, and the resources in it that are not left as they are, as `operation name`. */
async function plan(): Promise<{ text: string; changed: string[] }> {
  const { stdout } = await stack.must(["preview", "--diff"], "no plan");
  const changed = [
    ...stdout.matchAll(/\((create|update|replace|delete)\)[^\n]*\n(?:\s+\[id=[^\n]*\n)?\s+\[urn=(\S+)\]/g),
  ];
  return {
    text: stdout,
    changed: changed.map(([, operation, urn]) => `${operation} ${urn?.split("::").at(-1)}`).sort(),
  };
}

async function health(): Promise<Record<string, unknown>> {
  const response = await fetch(`${cloud.endpoints.deploymentsUrl}/api/health`);
  return (await response.json()) as Record<string, unknown>;
}

async function askConsole(path: string, body?: object): Promise<Record<string, string>> {
  const response = await fetch(`${cloud.endpoints.anthropicBaseUrl}/console/${path}`, {
    method: "POST",
    ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, string>;
}

test("up succeeds while both gates are open, and its outputs say what to do where", async () => {
  await stack.up();
  const { gates, environmentId, productionUrl } = await stack.outputs();
  expect(gates).toEqual([
    expect.stringMatching(
      new RegExp(`^environment key: .*Console.*${environmentId}.*config set --secret handrail:environmentKey`),
    ),
    expect.stringMatching(
      new RegExp(`^webhook endpoint: .*Console.*${productionUrl}/api/webhook.* handrail:webhookSigningKey`),
    ),
  ]);
  expect(await remoteObjects(cloud.endpoints)).toMatchObject({
    environments: ["support-local"],
    agents: ["support"],
    projects: ["handrail-local"],
    deployments: [expect.stringMatching(/^dpl_/)],
    snapshots: [expect.stringMatching(/^snap_/)],
  });
});

test("a second up changes nothing, open gates or not", async () => {
  await stack.must(["up", "--yes", "--skip-preview", "--expect-no-changes"], "something changed");
});

test("the plan after an edit of the policy shows the rule that changes, by principal, and what must follow", async () => {
  const file = join(checkout, "policies", "support.policy.ts");
  const allowed = "sandbox: [packageRegistry],";
  const source = await readFile(file, "utf8");
  expect(source).toContain(allowed);
  await writeFile(
    file,
    source.replace(allowed, 'sandbox: [packageRegistry, { methods: ["GET"], host: "docs.example", path: "/guide" }],'),
  );
  await promisify(execFile)(process.execPath, [join(checkout, "scripts", "policy.ts"), "lock"]);

  const { text, changed } = await plan();
  expect(text).not.toMatch(/- liveDigest/);
  const rules = /~ rules\s*: \{\n([\s\S]*?)\n {8}\}/.exec(text)?.[1];
  expect(rules?.replace(/\s+/g, " ").trim()).toBe('~ sandbox: { + GET docs.example/guide: "plain" }');
  expect(changed).toEqual([
    // The lock is part of the runner and of the functions.
    "replace control-plane-production",
    "replace snapshot",
    "update control-plane-HANDRAIL_POLICY_DIGEST",
    "update control-plane-HANDRAIL_RUNNER_DIGEST",
    "update control-plane-HANDRAIL_SNAPSHOT_ID",
    "update egress-policy",
  ]);
});

test("up makes the edited policy live, and nothing of the old release is left", async () => {
  await stack.up();
  const lock = JSON.parse(await readFile(join(checkout, "policies", "support.lock.json"), "utf8"));
  const outputs = await stack.outputs();
  expect(outputs.policyDigest).toBe(lock.digest);
  expect(await health()).toMatchObject({ policyDigest: lock.digest, snapshotId: outputs.snapshotId });
  const { deployments, snapshots } = await remoteObjects(cloud.endpoints);
  expect([deployments.length, snapshots]).toEqual([1, [outputs.snapshotId]]);
});

test("the plan after a changed secret names it, shows no value and replaces the deployment", async () => {
  secrets.crmTokenAfterwards = randomSecrets().crmToken;
  await stack.set({ secret: { crmToken: secrets.crmTokenAfterwards } });
  const { text, changed } = await plan();
  expect(changed).toEqual([
    "replace control-plane-production",
    "update control-plane-HANDRAIL_CREDENTIAL_CRM",
    "update control-plane-secrets",
  ]);
  expect(text).toMatch(/~ values\s*: \{\s+~ HANDRAIL_CREDENTIAL_CRM: \[secret\] => \[secret\]\s+\}/);
});

test("up with both gate secrets closes the gates: signed deliveries are accepted", async () => {
  const { environmentId, productionUrl } = await stack.outputs();
  const { key = "" } = await askConsole(`environments/${environmentId}/keys`, {});
  const { secret = "" } = await askConsole("webhooks", {
    url: `${productionUrl}/api/webhook`,
    events: ["session.status_run_started"],
  });
  Object.assign(secrets, { environmentKey: key, webhookSigningKey: secret });
  await stack.set({ secret: { environmentKey: key, webhookSigningKey: secret } });
  await stack.up();
  expect((await stack.outputs()).gates).toEqual([]);
  expect(await health()).toMatchObject({ gates: { environmentKey: "closed", webhookSigningKey: "closed" } });
});

test("no secret is in the state, its history, the configuration, or any log", async () => {
  const shown = await runPulumi(["stack", "export", "--show-secrets"], {
    stack: "local",
    localDir: stateDir,
    cwd: checkout,
  });
  const [, cronSecret] = /"CRON_SECRET":\s*\{[^}]*"plaintext":\s*"\\"([^"\\]+)\\""/.exec(shown.stdout) ?? [];
  Object.assign(secrets, { cronSecret });
  expect(Object.values(secrets).every((value) => value?.length > 16)).toBe(true);
  // What is looked for can be found: the same search over the state in clear finds every secret.
  const lost = Object.keys(secrets).filter(
    (name) => name !== "crmToken" && !shown.stdout.includes(secrets[name] ?? ""),
  );
  expect(lost).toEqual([]);

  const texts: Record<string, string> = {
    "stack export": (await stack.must(["stack", "export"], "no export")).stdout,
    logs: logs.join("\n"),
  };
  for (const part of ["state", "vercel/logs"]) {
    for (const file of await readdir(join(stateDir, part), { recursive: true, withFileTypes: true })) {
      const path = join(file.parentPath, file.name);
      if (file.isFile()) texts[path] = await readFile(path, "utf8");
    }
  }
  texts.configuration = await readFile(join(stateDir, "Pulumi.local.yaml"), "utf8");
  expect(Object.keys(texts).filter((path) => path.includes("history")).length).toBeGreaterThan(0);
  const found = Object.entries(texts).flatMap(([place, text]) =>
    Object.entries(secrets).flatMap(([name, value]) => (text.includes(value) ? [`${name} in ${place}`] : [])),
  );
  expect(found).toEqual([]);
});

test("a refresh finds nothing that drifted", async () => {
  await stack.must(["refresh", "--yes", "--skip-preview", "--expect-no-changes"], "something drifted");
});

test("a snapshot that was deleted behind the stack's back is built again by the next up", async () => {
  const { sandboxApiUrl, vercelToken, vercelTeamId } = cloud.endpoints;
  const { snapshotId } = await stack.outputs();
  const gone = await fetch(`${sandboxApiUrl}/v2/sandboxes/snapshots/${snapshotId}?teamId=${vercelTeamId}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${vercelToken}` },
  });
  expect(gone.status).toBe(200);
  await stack.up();
  const rebuilt = (await stack.outputs()).snapshotId;
  expect(rebuilt).not.toBe(snapshotId);
  expect(await health()).toMatchObject({ snapshotId: rebuilt });
  expect((await remoteObjects(cloud.endpoints)).snapshots).toEqual([rebuilt]);
});

test("destroy leaves nothing behind", async () => {
  await stack.must(["destroy", "--yes", "--skip-preview"], "not destroyed");
  expect(await remoteObjects(cloud.endpoints)).toEqual({
    environments: [],
    agents: [],
    projects: [],
    variables: [],
    deployments: [],
    snapshots: [],
    sandboxes: [],
  });
});
