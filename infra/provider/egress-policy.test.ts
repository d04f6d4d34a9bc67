import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compile } from "../../policies/engine/compile.ts";
import { definePolicy } from "../../policies/engine/define.ts";
import { type Lock, serializeLock } from "../../policies/engine/lock.ts";
import { egressTable } from "../../policies/engine/table.ts";
import { egressPolicy } from "./egress-policy.ts";
import type { PropertyMap } from "./property-values.ts";
import { startTestProvider, urnOf } from "./testing/client.ts";
import { startTestEngine } from "./testing/engine.ts";

const urn = urnOf("EgressPolicy");

/** A policy whose sandbox reaches these hosts. */
function lockOf(...hosts: string[]): Lock {
  const sandbox = hosts.map((host) => ({ methods: ["GET"] as const, host, path: "/v1/items" }));
  return compile(definePolicy({ agent: "support", tools: {}, sandbox }));
}

const inputsOf = (lock: Lock) => ({
  agent: "support",
  digest: lock.digest,
  rules: egressTable(lock),
  healthUrl: "http://functions.example/api/health",
});

let projectDir: string;
let live: string;
let engine: Awaited<ReturnType<typeof startTestEngine>>;
let provider: Awaited<ReturnType<typeof startTestProvider>>;

beforeEach(async () => {
  projectDir = await mkdtemp(join(tmpdir(), "handrail-egress-policy-"));
  await mkdir(join(projectDir, "policies"));
  engine = await startTestEngine();
  const answer = async () => Response.json({ policyDigest: live });
  provider = await startTestProvider([egressPolicy], { projectDir, fetch: answer as typeof fetch }, engine.address);
});

afterEach(async () => {
  provider.close();
  engine.close();
  await rm(projectDir, { recursive: true, force: true });
});

/** Commits a lock, and has the functions enforce it. */
async function release(lock: Lock): Promise<void> {
  await commit(lock);
  live = lock.digest;
}

function commit(lock: Lock): Promise<void> {
  return writeFile(join(projectDir, "policies", "support.lock.json"), serializeLock(lock));
}

/** The plan of a change: what differs, and what is said of it. */
async function plan(before: Lock, after: Lock, state: PropertyMap) {
  const diff = await provider.client.diff(urn, {
    id: "egress-support",
    state,
    before: inputsOf(before),
    after: inputsOf(after),
  });
  return { diff, line: await engine.nextLine() };
}

test("a plan says what a wider policy lets through, with a request, as a warning under the resource", async () => {
  const [before, after] = [lockOf("a.example"), lockOf("a.example", "b.example")];
  await release(before);
  const { state } = await provider.client.create(urn, inputsOf(before));
  await commit(after);
  const { diff, line } = await plan(before, after, state);
  expect(line).toMatchObject({ severity: "warning", urn });
  expect(line.message).toMatch(/^egress policy WIDER {2}New requests become possible\.\n/);
  expect(line.message).toContain("+ sandbox (anything that runs in it) gains: b.example without a credential");
  expect(line.message).toContain("curl https://b.example/v1/items");
  expect(line.message).toContain("after   sent without a credential");
  // The plan names the rule and the digests, and no lock.
  expect(diff.details).toEqual({
    digest: "update",
    liveDigest: "update",
    'rules.sandbox["GET b.example/v1/items"]': "add",
  });
});

test.each([
  ["NARROWER", lockOf("a.example", "b.example"), lockOf("a.example")],
  [
    "EQUIVALENT",
    lockOf("a.example"),
    compile(
      definePolicy({
        agent: "support",
        tools: { read: { kind: "file", network: "none" } },
        sandbox: [{ methods: ["GET"], host: "a.example", path: "/v1/items" }],
      }),
    ),
  ],
])("a policy that is %s is no warning", async (verdict, before, after) => {
  await release(before);
  const { state } = await provider.client.create(urn, inputsOf(before));
  await commit(after);
  const { line } = await plan(before, after, state);
  expect(line.severity).toBe("info");
  expect(line.message).toContain(verdict);
});

test("an update records the new lock, so that the plan after it compares with that", async () => {
  const [first, second, third] = [
    lockOf("a.example"),
    lockOf("a.example", "b.example"),
    lockOf("b.example", "c.example"),
  ];
  await release(first);
  const { state } = await provider.client.create(urn, inputsOf(first));
  await release(second);
  const updated = await provider.client.update(urn, { id: "egress-support", state, after: inputsOf(second) });
  await commit(third);
  const { line } = await plan(second, third, updated);
  expect(line.message).toContain("+ sandbox (anything that runs in it) gains: c.example");
  expect(line.message).toContain("- sandbox (anything that runs in it) loses: a.example");
  expect(line.message).not.toContain("gains: b.example");
});

test("reading keeps the recorded lock, and a plan says when the functions enforce something else", async () => {
  const [before, after] = [lockOf("a.example"), lockOf("a.example", "b.example")];
  await release(before);
  const { state } = await provider.client.create(urn, inputsOf(before));
  live = lockOf("elsewhere.example").digest;
  const read = await provider.client.read(urn, "egress-support", state, inputsOf(before));
  expect(read?.state.lock).toBe(state.lock);
  await commit(after);
  const { line } = await plan(before, after, read?.state ?? {});
  expect(line.message).toMatch(/the functions enforce sha256:.*, not what was recorded last/);
  expect((await engine.nextLine()).message).toContain("WIDER");
});

test.each([
  [
    "the state is of a version that recorded none",
    (state: PropertyMap) => ({ ...state, lock: undefined }),
    /holds no lock/,
  ],
  ["what the state holds is no lock", (state: PropertyMap) => ({ ...state, lock: "AAAA" }), /holds no lock/],
])("a plan says that it cannot compare when %s", async (_, change, message) => {
  const [before, after] = [lockOf("a.example"), lockOf("b.example")];
  await release(before);
  const { state } = await provider.client.create(urn, inputsOf(before));
  await commit(after);
  const { lock, ...rest } = change(state);
  const { line } = await plan(before, after, lock === undefined ? rest : { ...rest, lock });
  expect(line).toMatchObject({ severity: "warning", message: expect.stringMatching(message) });
});

test("a plan says that it cannot compare when the committed lock is not the planned one", async () => {
  const [before, after] = [lockOf("a.example"), lockOf("b.example")];
  await release(before);
  const { state } = await provider.client.create(urn, inputsOf(before));
  const { line } = await plan(before, after, state);
  expect(line.message).toContain("policies/support.lock.json is another lock");
});
