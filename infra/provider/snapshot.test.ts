import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createManifest } from "../../runner/manifest.ts";
import { UNKNOWN } from "./property-values.ts";
import { snapshot } from "./snapshot.ts";
import { type ProviderClient, startTestProvider, urnOf } from "./testing/client.ts";
import { type FakeSandboxApi, startFakeSandboxApi } from "./testing/sandbox-api.ts";

const urn = urnOf("Snapshot");
const sources = { "runner.mjs": "console.log(1)", "boot.sh": "#!/bin/sh\n" };
const manifest = createManifest(sources);
const inputs = {
  projectId: "prj_1",
  runnerDir: "dist",
  runnerDigest: manifest.digest,
  steps: [{ cmd: "apt-get", args: ["install", "x"], sudo: true }],
  networkPolicy: { allow: ["packages.example"] },
  expirationDays: 30,
};

let project: string;
let api: FakeSandboxApi;
let client: ProviderClient;
let stop: () => void;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "handrail-snapshot-"));
  const files = { ...sources, "manifest.json": JSON.stringify(manifest) };
  await mkdir(join(project, "dist"));
  for (const [name, content] of Object.entries(files)) await writeFile(join(project, "dist", name), content);
});
afterAll(() => rm(project, { recursive: true }));
beforeEach(async () => {
  api = await startFakeSandboxApi();
  const started = await startTestProvider([snapshot], { projectDir: project });
  ({ client, close: stop } = started);
  await client.configure({ sandboxApiUrl: api.url, vercelToken: "token", vercelTeamId: "team_1" });
});
afterEach(async () => {
  stop();
  await api.close();
});

test("the runner is installed as root's, the steps run, what lies there is checked, and a snapshot is taken", async () => {
  const { id, state } = await client.create(urn, inputs);
  expect(state).toMatchObject({ snapshotId: id, contentDigest: expect.stringMatching(/^sha256:/) });
  expect(api.commands).toEqual([
    "sudo mkdir -p /opt/handrail",
    expect.stringMatching(/^sudo install -o 0 -g 0 -m 0644 \S+ \/opt\/handrail\/manifest\.json$/),
    expect.stringMatching(/^sudo install -o 0 -g 0 -m 0755 \S+ \/opt\/handrail\/boot\.sh$/),
    expect.stringMatching(/^sudo install -o 0 -g 0 -m 0644 \S+ \/opt\/handrail\/runner\.mjs$/),
    expect.stringMatching(/^sudo rm -rf /),
    "sudo apt-get install x",
    expect.stringMatching(
      new RegExp(`${manifest.files["runner.mjs"]} {2}/opt/handrail/runner\\.mjs.*sha256sum -c`, "s"),
    ),
    expect.stringContaining("not root's own"),
  ]);
});

test("the builder has the set-up policy from its first packet, no ports, and keeps nothing by itself", async () => {
  await client.create(urn, inputs);
  expect(api.created).toMatchObject([{ persistent: false, ports: [], networkPolicy: expect.anything() }]);
});

test("the snapshot expires when it was told to", async () => {
  const { state } = await client.create(urn, inputs);
  const days = (Date.parse(String(state.expiresAt)) - Date.now()) / 86_400_000;
  expect(Math.round(days)).toBe(30);
});

test("a step that fails is named with what it said, and leaves neither builder nor snapshot", async () => {
  api.exitCode = (line) => (line.includes("apt-get") ? 100 : 0);
  await expect(client.create(urn, inputs)).rejects.toThrow(
    /the set-up step `apt-get install x` ended with 100:\s*what the step said/,
  );
  expect(api.sandboxes.size).toBe(0);
  expect(api.snapshots.size).toBe(0);
});

test("a create that was killed after the snapshot was taken is continued with that snapshot", async () => {
  const first = await client.create(urn, inputs);
  const again = await client.create(urn, inputs);
  expect(again.id).toBe(first.id);
  expect(api.snapshots.size).toBe(1);
});

test("a create that was killed half way starts with a fresh builder", async () => {
  const { state } = await client.create(urn, inputs);
  const [name] = [...api.sandboxes.keys()];
  expect(name).toMatch(/^handrail-snapshot-[0-9a-f]{32}$/);
  await client.delete(urn, String(state.snapshotId), state);
  expect(api.sandboxes.size).toBe(0);
  api.sandboxes.set(String(name), { sessionId: "sbx_half" });
  const { id } = await client.create(urn, inputs);
  expect(api.snapshots.get(id)?.status).toBe("created");
  expect(api.created).toHaveLength(2);
});

test("once the state has a snapshot, its builder is gone, and nobody adopts that snapshot again", async () => {
  const first = await client.create(urn, inputs);
  await client.read(urn, first.id, first.state, inputs);
  expect(api.sandboxes.size).toBe(0);
  expect((await client.create(urn, inputs)).id).not.toBe(first.id);
});

test.each(["deleted", "missing"])("a snapshot that is %s is gone, so that the next up makes it again", async (how) => {
  const { id, state } = await client.create(urn, inputs);
  if (how === "missing") api.snapshots.delete(id);
  else await client.delete(urn, id, state);
  expect(await client.read(urn, id, state, inputs)).toBeNull();
  await client.delete(urn, id, state);
});

test.each([
  ["another runner", { runnerDigest: `sha256:${"0".repeat(64)}` }, ["runnerDigest"]],
  ["another step", { steps: [{ cmd: "true", args: [], sudo: false }] }, ["steps"]],
  ["another policy", { networkPolicy: "deny-all" }, ["networkPolicy"]],
  ["another image", { image: "vercel/sandbox/node:24" }, ["image"]],
  ["another folder", { runnerDir: "other" }, []],
])("%s makes another snapshot exactly when its content changes", async (_, change, replaces) => {
  const { id, state } = await client.create(urn, inputs);
  const diff = await client.diff(urn, { id, state, before: inputs, after: { ...inputs, ...change } });
  expect(diff).toMatchObject({ changes: true, replaces, deleteBeforeReplace: replaces.length === 0 });
});

test("a folder that was built again meanwhile is refused before a sandbox is made", async () => {
  await expect(client.create(urn, { ...inputs, runnerDigest: `sha256:${"0".repeat(64)}` })).rejects.toThrow(
    /dist holds the runner sha256:.*, not sha256:0000/,
  );
  expect(api.created).toEqual([]);
});

test.each(["/somewhere/dist", "../dist", "C:\\dist"])(
  "the folder %s is refused: it would differ in every checkout",
  async (runnerDir) => {
    expect((await client.check(urn, { ...inputs, runnerDir })).failures).toEqual([
      "runnerDir: must be relative to the project, so that every checkout has the same state",
    ]);
  },
);

test("a preview knows the content before anything is made", async () => {
  const { state } = await client.create(urn, { ...inputs, projectId: UNKNOWN }, { preview: true });
  expect(state).toMatchObject({ contentDigest: expect.stringMatching(/^sha256:/), snapshotId: UNKNOWN });
});
