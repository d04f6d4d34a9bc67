import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exitCode, runPulumi, startPulumi } from "../engine/pulumi.ts";
import { type LocalCloud, startLocalCloud } from "../local/cloud.ts";
import { LocalStack, randomSecrets } from "../local/stack.ts";
import { recoverPendingOperations } from "../recover.ts";

let cloud: LocalCloud;
let stack: LocalStack;
let stateDir: string;

beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "handrail-kill-"));
  cloud = await startLocalCloud({ stateDir, nodeBinary: process.execPath });
  stack = new LocalStack({ endpoints: cloud.endpoints, stateDir });
  await stack.configure(randomSecrets());
});

afterAll(async () => {
  await stack?.run(["destroy", "--yes", "--skip-preview"]);
  await cloud?.close();
  await rm(stateDir, { recursive: true, force: true });
});

/** Runs `up` and kills the engine when it says that it makes `what`. */
async function upKilledAt(what: string): Promise<void> {
  const child = startPulumi(["--non-interactive", "--color", "never", "up", "--yes", "--skip-preview"], {
    stack: stack.name,
    localDir: stateDir,
  });
  const ended = exitCode(child);
  child.stderr?.resume();
  if (child.stdout) {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.includes(what) && line.includes("creating")) child.kill("SIGKILL");
    }
  }
  expect(await ended).not.toBe(0);
}

async function json(base: string, path: string, headers: Record<string, string>): Promise<Record<string, unknown>> {
  const response = await fetch(base + path, { headers });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

/** Numbers of the objects that exist, whatever the state says. */
async function objects(): Promise<Record<string, number>> {
  const { anthropicBaseUrl, apiKey, vercelApiUrl, vercelToken, vercelTeamId } = cloud.endpoints;
  const anthropic = { "x-api-key": apiKey, "anthropic-beta": "managed-agents-2026-04-01" };
  const vercel = { authorization: `Bearer ${vercelToken}` };
  const count = async (request: Promise<Record<string, unknown>>, key: string) =>
    ((await request)[key] as unknown[]).length;
  const team = `teamId=${vercelTeamId}`;
  return {
    environments: await count(json(anthropicBaseUrl, "/v1/environments", anthropic), "data"),
    agents: await count(json(anthropicBaseUrl, "/v1/agents", anthropic), "data"),
    projects: await count(json(vercelApiUrl, `/v9/projects?${team}`, vercel), "projects"),
    deployments: await count(json(vercelApiUrl, `/v6/deployments?${team}`, vercel), "deployments"),
  };
}

const recover = () =>
  recoverPendingOperations({
    run: (args) => runPulumi(args, { stack: stack.name, localDir: stateDir }),
    vercel: {
      fetch,
      baseUrl: cloud.endpoints.vercelApiUrl,
      token: cloud.endpoints.vercelToken,
      teamId: cloud.endpoints.vercelTeamId,
    },
  });

test("an up that is killed at any step and run again makes no doubles, and the one after changes nothing", async () => {
  for (const step of ["Environment", "Project", "ProjectEnvironmentVariable", "Snapshot", "Deployment"]) {
    await upKilledAt(`:${step} `);
    await recover();
  }
  await stack.up();
  expect(await objects()).toMatchObject({ environments: 1, agents: 1, deployments: 1 });
  const again = await stack.run(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
  expect(again.stdout + again.stderr).toContain("unchanged");
  expect(again.code).toBe(0);
}, 240_000);
