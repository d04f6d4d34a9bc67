import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { beforeEach, expect, test } from "vitest";
import type { RunPulumi } from "../engine/pulumi.ts";
import { recoverState } from "./recover-state.ts";

const PROJECT = "vercel:index/project:Project";
const VARIABLE = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable";
const DEPLOYMENT = "vercel:index/deployment:Deployment";
const START = Date.parse("2026-01-01T00:00:00.000Z");
const AFTER = START + 1000;

const urn = (type: string, name = "x") => `urn:pulumi:s::handrail::${type}::${name}`;
const resource = (type: string, inputs: object, more: object = {}) => ({ urn: urn(type), type, inputs, ...more });

/** What the engine would say, and what it was told. */
let resources: object[];
let pending: object[];
let updates: { kind: string; result: string; startTime: string }[];
let steps: object[] | undefined;
let lock: { host: string; pid: number } | "torn" | undefined;
let commands: string[];
let imported: { resources: Record<string, unknown>[]; pending_operations: unknown[] } | undefined;
/** What Vercel has, by path. */
let vercel: Record<string, object>;

beforeEach(() => {
  [resources, pending, updates, steps, commands, vercel] = [[], [], [], [], [], {}];
  lock = undefined;
  imported = undefined;
});

const run: RunPulumi = async (args) => {
  const command = args.filter((arg) => !arg.startsWith("-") && !arg.startsWith("/")).join(" ");
  commands.push(command);
  const ok = (value: unknown) => ({ code: 0, stdout: JSON.stringify(value), stderr: "" });
  if (command === "stack export") {
    const manifest = { time: new Date(AFTER).toISOString() };
    return ok({ version: 3, deployment: { manifest, resources, pending_operations: pending, ...imported } });
  }
  if (command.startsWith("stack history")) return ok(updates);
  if (command === "preview") return steps ? ok({ steps }) : { code: 1, stdout: "", stderr: "the program failed" };
  if (command === "stack import") {
    if (lock === "torn") return { code: 1, stdout: "", stderr: "error: unexpected end of JSON input" };
    if (lock) {
      const held = `error: the stack is currently locked by 1 lock(s)\n created by me@${lock.host} (pid ${lock.pid}) at`;
      return { code: 1, stdout: "", stderr: held };
    }
    imported = JSON.parse(readFileSync(args.at(-1) as string, "utf8")).deployment;
  }
  if (command === "cancel") lock = undefined;
  return { code: 0, stdout: "", stderr: "" };
};

const recover = (o: object = {}) =>
  recoverState({
    run,
    vercel: {
      baseUrl: "https://vercel.example",
      token: "token",
      teamId: "team_1",
      fetch: (async (url: URL) => {
        expect(url.searchParams.get("teamId")).toBe("team_1");
        const found = vercel[url.pathname];
        return found ? Response.json(found) : new Response("{}", { status: 404 });
      }) as unknown as typeof fetch,
    },
    ...o,
  });

/** The state that was written last. */
const written = () => imported;

const create = (subject: object) => ({ type: "creating", resource: subject });
const failed = [{ kind: "update", result: "failed", startTime: new Date(START).toISOString() }];
const meta = { policy: "p1", secrets: "r1" };

test("a stack in order is left alone: no preview, nothing read", async () => {
  updates = [{ kind: "update", result: "succeeded", startTime: new Date(START).toISOString() }, ...failed];
  expect(await recover({ locks: false })).toEqual([]);
  expect(commands).toEqual(["stack export", "stack history 50"]);
});

test.each<[string, object, string, Record<string, object>]>([
  [
    "a project by its name",
    resource(PROJECT, { name: "handrail-s" }),
    "prj_1",
    { "/v10/projects/handrail-s": { id: "prj_1", createdAt: AFTER } },
  ],
  [
    "a variable by key and targets",
    resource(VARIABLE, { projectId: "prj_1", key: "A", targets: ["production"] }),
    "env_2",
    {
      "/v8/projects/prj_1/env": {
        envs: [
          { id: "env_1", key: "A", target: ["preview"], createdAt: AFTER },
          { id: "env_2", key: "A", target: "production", createdAt: AFTER },
        ],
      },
    },
  ],
  [
    "a deployment by its meta",
    resource(DEPLOYMENT, { projectId: "prj_1", meta }),
    "dpl_2",
    {
      "/v6/deployments": {
        deployments: [
          { uid: "dpl_3", created: AFTER + 2, meta: { githubCommit: "c" } },
          { uid: "dpl_4", created: AFTER + 1, meta, readyState: "ERROR" },
          { uid: "dpl_2", created: AFTER, meta: { ...meta, githubCommit: "c" }, readyState: "READY" },
          { uid: "dpl_1", created: AFTER + 3, meta: { ...meta, policy: "p0" }, readyState: "READY" },
        ],
      },
    },
  ],
])(
  "a killed create is found again, and so is one that the engine took for failed: %s",
  async (_, subject, id, remote) => {
    vercel = remote;
    pending = [create(subject)];
    expect(await recover()).toEqual([expect.stringContaining(`had been made (${id}) and is in the state now`)]);
    expect(imported).toMatchObject({ resources: [{ ...subject, id }], pending_operations: [] });
    expect(commands.at(-1)).toBe(`refresh ${(subject as { urn: string }).urn}`);

    [pending, imported, updates] = [[], undefined, failed];
    for (const op of ["create", "replace"]) {
      imported = undefined;
      steps = [
        { op, newState: { ...subject, id: "" } },
        { op: "same", newState: subject },
      ];
      expect(await recover()).toEqual([
        expect.stringContaining(`(${id}) by the update that failed, and is in the state`),
      ]);
      expect(written()?.resources).toMatchObject([{ ...subject, id }]);
    }
  },
);

test("the predecessor of a replacement is not taken for what is looked for, and goes with the next up", async () => {
  resources = [resource(DEPLOYMENT, { projectId: "prj_1", meta }, { id: "dpl_1" })];
  const subject = resource(DEPLOYMENT, { projectId: "prj_1", meta });
  pending = [create(subject)];
  vercel = { "/v6/deployments": { deployments: [{ uid: "dpl_1", created: AFTER, meta }] } };
  expect(await recover()).toEqual(["Deployment x: was not made yet"]);
  imported = undefined;
  vercel = { "/v6/deployments": { deployments: [{ uid: "dpl_2", created: AFTER, meta }] } };
  await recover();
  expect(written()?.resources).toMatchObject([{ id: "dpl_1", delete: true }, { id: "dpl_2" }]);
});

test("a deployment that was made from something else is entered as what it is: the next up replaces it", async () => {
  updates = failed;
  steps = [{ op: "create", newState: resource(DEPLOYMENT, { projectId: "prj_1", meta }) }];
  vercel = { "/v6/deployments": { deployments: [{ uid: "dpl_1", created: AFTER, meta: { ...meta, policy: "p0" } }] } };
  await recover();
  expect(imported?.resources).toMatchObject([{ id: "dpl_1", inputs: { meta: { policy: "p0", secrets: "r1" } } }]);
});

test("what was there before the update that failed is somebody else's: it is not taken over", async () => {
  updates = [...failed, { kind: "update", result: "succeeded", startTime: new Date(0).toISOString() }];
  steps = [{ op: "create", newState: resource(PROJECT, { name: "theirs" }) }];
  vercel = { "/v10/projects/theirs": { id: "prj_theirs", createdAt: START - 3_600_000 } };
  expect(await recover()).toEqual([]);
  expect(commands).not.toContain("refresh");
});

test("every update that failed in a row counts: the first of them may have made it", async () => {
  const later = { kind: "update", result: "failed", startTime: new Date(START + 7_200_000).toISOString() };
  updates = [later, { ...later, kind: "refresh", result: "succeeded" }, ...failed];
  steps = [{ op: "create", newState: resource(PROJECT, { name: "ours" }) }];
  vercel = { "/v10/projects/ours": { id: "prj_1", createdAt: AFTER } };
  expect(await recover()).toEqual([expect.stringContaining("had been made (prj_1) by the update that failed")]);
});

test("a value that the preview does not show is left out of the state: the next up sets it", async () => {
  updates = failed;
  const inputs = { projectId: "prj_1", key: "A", targets: ["production"], value: "[secret]" };
  steps = [{ op: "create", newState: resource(VARIABLE, inputs) }];
  vercel = {
    "/v8/projects/prj_1/env": { envs: [{ id: "env_1", key: "A", target: ["production"], createdAt: AFTER }] },
  };
  await recover();
  expect(imported?.resources[0]?.inputs).toEqual({ projectId: "prj_1", key: "A", targets: ["production"] });
});

test("a preview that fails stops nobody: the next up says why itself", async () => {
  updates = failed;
  steps = undefined;
  expect(await recover()).toEqual([expect.stringContaining("was not looked for: pulumi preview fails too")]);
});

test("operations of our own resources are left to them, and interrupted updates are read again", async () => {
  pending = [
    create(resource("handrail:index:Agent", {})),
    { type: "updating", resource: resource(PROJECT, { name: "x" }, { id: "prj_1" }) },
  ];
  expect(await recover()).toEqual([
    "Agent x: the interrupted operation (creating) is continued by the next up",
    "Project x: was interrupted while updating; its state is read again",
  ]);
  expect(imported?.pending_operations).toEqual([]);
  expect(commands.at(-1)).toBe(`refresh ${urn(PROJECT)}`);
});

test("what cannot be told from others is not guessed: the error says what to look for", async () => {
  pending = [create(resource("vercel:index/projectProtectionBypass:ProjectProtectionBypass", { projectId: "prj_1" }))];
  await expect(recover()).rejects.toThrow(/Look for it at Vercel, delete it there.*refresh --clear-pending-creates/);
  expect(imported).toBeUndefined();
});

test("the lock of an engine that died is removed; of one that lives, or of another machine, it is not", async () => {
  lock = { host: hostname(), pid: 4242 };
  await expect(recover({ isAlive: () => true })).rejects.toThrow(
    /another update of the stack is running \(process 4242\)/,
  );
  expect(await recover({ isAlive: () => false })).toEqual(["the lock of the dead engine 4242 was removed"]);
  lock = { host: "elsewhere.example", pid: 1 };
  await expect(recover()).rejects.toThrow(
    /locked by process 1 on elsewhere\.example; when it is dead: npm run pulumi -- cancel/,
  );
});

test("a lock that an engine was killed in the middle of writing is removed, one that is being written is waited for", async () => {
  lock = "torn";
  expect(await recover()).toEqual(["the lock that a dead engine had begun to write was removed"]);
  expect(commands).toContain("cancel");

  commands = [];
  lock = "torn";
  const settles: RunPulumi = async (args) => {
    const result = await run(args);
    if (lock === "torn" && args.includes("import")) lock = { host: hostname(), pid: 4242 };
    return result;
  };
  await expect(recover({ run: settles, isAlive: () => true })).rejects.toThrow(
    /another update of the stack is running/,
  );
  expect(commands).not.toContain("cancel");
});

test("an answer of Vercel that is no answer stops the recovery before the state is touched", async () => {
  pending = [create(resource(PROJECT, { name: "x" }))];
  const down = {
    baseUrl: "https://vercel.example",
    token: "t",
    fetch: async () => new Response("down", { status: 503 }),
  };
  await expect(recover({ vercel: down })).rejects.toThrow(
    /GET https:\/\/vercel\.example\/v10\/projects\/x answered HTTP 503/,
  );
  expect(imported).toBeUndefined();
});
