/**
 * An `up` of which a process is killed when an object was just made and nobody knows it yet, then the recovery that
 * `npm run pulumi -- up` begins with, then the next step's kill; at the end an `up` that works and one that has nothing
 * to do; and a `destroy` that is killed in the same way. One step each of what a stack's resources do differently: adoption by tag (Environment), by the builder
 * (Snapshot), by name (Project), by key (environment variable) and by meta (Deployment, new and replaced).
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { places } from "../engine/places.mjs";
import { runPulumi } from "../engine/pulumi.ts";
import { needsRecovery } from "../engine/stack-state.ts";
import { type LocalCloud, startLocalCloud } from "../local/cloud.ts";
import { LocalStack, randomSecrets } from "../local/stack.ts";
import { copyCheckout } from "../local/stack-checkout.ts";
import { type RemoteObjects, remoteObjects } from "../local/stack-objects.ts";
import { recoverPendingOperations } from "../recovery/recover.ts";
import { killedAt, type Moment, Trap, trapProxy, type Victim } from "./testing/kill.ts";

const trap = new Trap();
let cloud: LocalCloud;
let folder: string;
let stateDir: string;
/** Nobody edits this one while its updates are interrupted. */
let cwd: string;
const proxies: { close(): void }[] = [];
/** The local cloud's endpoints, with the traps in front. */
let endpoints: LocalCloud["endpoints"];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "handrail-kill-"));
  stateDir = join(folder, "state");
  cwd = await copyCheckout(join(folder, "checkout"));
  cloud = await startLocalCloud({
    stateDir,
    nodeBinary: places().node,
    onLog: (source, { event, method, path, status }) => {
      if (source === "vercel" && event === "api") trap.done("vercel", String(method), String(path), Number(status));
    },
  });
  const anthropic = await trapProxy("anthropic", cloud.endpoints.anthropicBaseUrl, trap);
  const sandbox = await trapProxy("sandbox", cloud.endpoints.sandboxApiUrl, trap);
  proxies.push(anthropic, sandbox);
  endpoints = { ...cloud.endpoints, anthropicBaseUrl: anthropic.url, sandboxApiUrl: sandbox.url };
});

/** Each test runs the engine several times, on machines that may be busy with other tests. */
const LONG = 240_000;

afterAll(async () => {
  for (const proxy of proxies) proxy.close();
  await cloud?.close();
  await rm(folder, { recursive: true, force: true });
});

const made = {
  Environment: { server: "anthropic", method: "POST", path: /^\/v1\/environments$/ },
  Project: { server: "vercel", method: "POST", path: /^\/v\d+\/projects$/ },
  ProjectEnvironmentVariable: { server: "vercel", method: "POST", path: /^\/v\d+\/projects\/[^/]+\/env$/ },
  Snapshot: { server: "sandbox", method: "POST", path: /\/sessions\/[^/]+\/snapshot$/ },
  Deployment: { server: "vercel", method: "POST", path: /^\/v\d+\/now\/deployments$/ },
} satisfies Record<string, Moment>;

type Type = keyof typeof made;

const KINDS: Record<Type | "Agent", keyof RemoteObjects> = {
  Environment: "environments",
  Agent: "agents",
  Project: "projects",
  ProjectEnvironmentVariable: "variables",
  Snapshot: "snapshots",
  Deployment: "deployments",
};

const optionsOf = (stack: string) => ({ stack, localDir: stateDir, cwd });

const recover = (stack: string) =>
  recoverPendingOperations({
    run: (args) => runPulumi(args, optionsOf(stack)),
    vercel: {
      fetch,
      baseUrl: cloud.endpoints.vercelApiUrl,
      token: cloud.endpoints.vercelToken,
      teamId: cloud.endpoints.vercelTeamId,
    },
  });

/** A stack of its own, in a local cloud where others are. */
function scene(name: string, rows: readonly (readonly [victim: Victim, type: Type | "replaced Deployment"])[]) {
  describe(`stack ${name}`, () => {
    let stack: LocalStack;
    /** What other stacks have. */
    let others: RemoteObjects;
    const options = () => optionsOf(name);

    beforeAll(async () => {
      stack = new LocalStack({ endpoints, stateDir, name, cwd });
      await stack.configure(randomSecrets());
      others = await remoteObjects(cloud.endpoints);
    });

    async function ofState(type: string): Promise<number> {
      const { stdout } = await stack.must(["stack", "export"], "no export");
      const { deployment } = JSON.parse(stdout) as { deployment: { resources?: { type: string }[] } };
      return (deployment.resources ?? []).filter((item) => item.type.endsWith(`:${type}`)).length;
    }

    async function remote(type: Type | "Agent"): Promise<number> {
      return (await remoteObjects(cloud.endpoints))[KINDS[type]].length - others[KINDS[type]].length;
    }

    test.each(rows)(
      "%s killed when a %s was just made: recovery finds what there is to do",
      async (victim, what) => {
        const replaced = what === "replaced Deployment";
        const type = replaced ? "Deployment" : what;
        if (replaced) {
          await stack.up();
          await stack.set({ secret: { crmToken: randomSecrets().crmToken } });
        }
        const { output, code } = await killedAt("up", trap, victim, made[type], options());
        expect([trap.sprung, code], output).toEqual([true, victim === "engine" ? null : 1]);
        // The kill met what it was meant for: the object exists, and the state does not know it. (Without the program,
        // the engine still hears how operations end.)
        if (victim !== "language host") expect(await remote(type)).toBeGreaterThan(await ofState(type));
        expect(needsRecovery(stateDir, cwd, name)).toBe(true);
        await recover(name);
        if (made[type].server === "vercel") expect(await remote(type)).toBe(await ofState(type));
      },
      LONG,
    );

    test(
      "the next up works, there is one of everything, and the one after changes nothing",
      async () => {
        await stack.up();
        for (const type of Object.keys(KINDS) as (Type | "Agent")[]) {
          expect([type, await remote(type)]).toEqual([type, await ofState(type)]);
        }
        const one = { Environment: 1, Agent: 1, Project: 1, Snapshot: 1, Deployment: 1 };
        for (const [type, count] of Object.entries(one)) expect([type, await ofState(type)]).toEqual([type, count]);
        await stack.must(["up", "--yes", "--skip-preview", "--expect-no-changes"], "something changed");
        expect((await remoteObjects(cloud.endpoints)).sandboxes).toEqual(others.sandboxes);
        expect(needsRecovery(stateDir, cwd, name)).toBe(false);
      },
      LONG,
    );
  });
}

scene("engine", [
  ["engine", "Project"],
  ["engine", "ProjectEnvironmentVariable"],
  ["engine", "Snapshot"],
  ["engine", "Deployment"],
  ["engine", "replaced Deployment"],
]);

scene("vercel", [
  ["vercel provider", "Project"],
  ["vercel provider", "ProjectEnvironmentVariable"],
  ["vercel provider", "replaced Deployment"],
]);

// With its program gone, the engine still hears how the operations under way end: the first two must come before.
scene("handrail", [
  ["handrail provider", "Environment"],
  ["handrail provider", "Snapshot"],
  ["language host", "Deployment"],
]);

test(
  "an engine killed while it wrote its lock, or a checkpoint, leaves a stack that the next command reads",
  async () => {
    const state = join(stateDir, "state", ".pulumi");
    // Beside a checkpoint there is nothing that is written in place.
    expect((await readdir(state, { recursive: true })).filter((name) => name.endsWith(".attrs"))).toEqual([]);
    const locks = join(state, "locks", "organization", "handrail", "engine");
    await mkdir(locks, { recursive: true });
    await writeFile(join(locks, "0c5e8f6e-5d0b-4f43-9a3c-8c0a2f6f6a51.json.18a2b3c4d5e6f708.tmp"), "");
    expect(needsRecovery(stateDir, cwd, "engine")).toBe(true);
    expect(await recover("engine")).toEqual(["the lock that a dead engine had begun to write was removed"]);
    expect(needsRecovery(stateDir, cwd, "engine")).toBe(false);
  },
  LONG,
);

describe("destroy of stack engine", () => {
  let before: RemoteObjects;
  beforeAll(async () => {
    before = await remoteObjects(cloud.endpoints);
  });

  test.each<[what: keyof RemoteObjects, Moment]>([
    ["variables", { server: "vercel", method: "DELETE", path: /\/projects\/[^/]+\/env\/[^/]+$/ }],
    ["agents", { server: "anthropic", method: "POST", path: /^\/v1\/agents\/[^/]+\/archive$/ }],
  ])(
    "engine killed when one of the %s is just gone: recovery leaves a stack that can be destroyed",
    async (what, moment) => {
      const { output, code } = await killedAt("destroy", trap, "engine", moment, optionsOf("engine"));
      expect([trap.sprung, code], output).toEqual([true, null]);
      expect((await remoteObjects(cloud.endpoints))[what].length).toBeLessThan(before[what].length);
      expect(needsRecovery(stateDir, cwd, "engine")).toBe(true);
      await recover("engine");
    },
    LONG,
  );

  test(
    "the next destroy takes the rest, and nothing of another stack",
    async () => {
      const { code, stdout, stderr } = await runPulumi(["destroy", "--yes", "--skip-preview"], optionsOf("engine"));
      expect(code, stdout + stderr).toBe(0);
      const { stdout: state } = await runPulumi(["stack", "export"], optionsOf("engine"));
      expect(JSON.parse(state).deployment.resources ?? []).toEqual([]);
      const left = await remoteObjects(cloud.endpoints);
      for (const [kind, own] of Object.entries({
        environments: 1,
        agents: 1,
        projects: 1,
        deployments: 1,
        snapshots: 1,
      })) {
        const name = kind as keyof RemoteObjects;
        expect([name, left[name].length]).toEqual([name, before[name].length - own]);
      }
    },
    LONG,
  );
});
