import { afterEach, beforeEach, expect, test } from "vitest";
import { egressPolicy } from "./egress-policy.ts";
import { type ProviderClient, startTestProvider, urnOf } from "./testing/client.ts";

const urn = urnOf("EgressPolicy");
const OLD = `sha256:${"a".repeat(64)}`;
const NEW = `sha256:${"b".repeat(64)}`;
const inputs = {
  agent: "support",
  digest: NEW,
  rules: { sandbox: { "GET packages.example/*": "plain" } },
  healthUrl: "https://handrail.example/api/health",
};

/** Answers of /api/health, one a request; the last one stays. */
let answers: (() => Response | Promise<Response>)[];
let asked: number;
let client: ProviderClient;
let stop: () => void;

beforeEach(async () => {
  asked = 0;
  const fetch = async () => {
    const answer = answers[Math.min(asked, answers.length - 1)];
    asked += 1;
    return (answer as () => Response)();
  };
  const started = await startTestProvider([egressPolicy], { fetch: fetch as typeof globalThis.fetch });
  ({ client, close: stop } = started);
});
afterEach(() => stop());

const enforces = (digest: string) => () => Response.json({ status: "ok", policyDigest: digest });

test("it is made only once the functions enforce it: the ones before the deployment are waited out", async () => {
  answers = [enforces(OLD), () => new Response("starting", { status: 502 }), enforces(NEW)];
  expect((await client.create(urn, inputs)).state).toEqual({ ...inputs, liveDigest: NEW });
  expect(asked).toBe(3);
});

test.each([
  ["enforce another policy", enforces(OLD), /enforce sha256:a+, not sha256:b+: .*production deployment/],
  ["do not say which", () => new Response("no", { status: 500 }), /does not say which policy is enforced \(HTTP 500\)/],
  [
    "are behind Deployment Protection",
    () => new Response(null, { status: 307, headers: { location: "/login" } }),
    /redirects with 307: Deployment Protection/,
  ],
  [
    "cannot be reached",
    () => Promise.reject(new TypeError("fetch failed", { cause: new Error("getaddrinfo ENOTFOUND") })),
    /does not say which policy is enforced \(getaddrinfo ENOTFOUND\)/,
  ],
])("up fails, after waiting, when the functions %s", async (_, answer, words) => {
  answers = [answer];
  await expect(client.create(urn, inputs)).rejects.toThrow(words);
  expect(asked).toBe(9);
});

test("a refresh says what is live, and the next plan sets it right", async () => {
  const state = { ...inputs, liveDigest: NEW };
  const plan = async (live: () => Response) => {
    answers = [live];
    const read = await client.read(urn, "egress-support", state, inputs);
    expect(read?.inputs).toEqual(inputs);
    const diff = await client.diff(urn, { id: "1", state: read?.state ?? {}, before: inputs, after: inputs });
    return { live: read?.state.liveDigest, changes: diff.changes };
  };
  expect(await plan(enforces(NEW))).toEqual({ live: NEW, changes: false });
  expect(await plan(enforces(OLD))).toEqual({ live: OLD, changes: true });
  expect(await plan(() => new Response("no", { status: 500 }))).toEqual({ live: "unreachable", changes: true });
});

test("a preview knows the digest that will be live", async () => {
  expect((await client.create(urn, inputs, { preview: true })).state.liveDigest).toBe(NEW);
});

test("a plan that changes rules shows those, and nothing about what is live so far", async () => {
  const before = { ...inputs, digest: OLD };
  const after = { ...inputs, rules: { sandbox: { "GET packages.example/*": "denied" } } };
  const diff = await client.diff(urn, { id: "1", state: { ...before, liveDigest: OLD }, before, after });
  expect(diff.details).toEqual({ digest: "update", 'rules.sandbox["GET packages.example/*"]': "update" });
});

test("check names what is wrong", async () => {
  const { failures } = await client.check(urn, { ...inputs, digest: "sha256:1", healthUrl: "handrail.example" });
  expect(failures).toEqual([
    "digest: must be a lock's digest: sha256: and 64 hex digits",
    "healthUrl: must be the http(s) URL of the functions' /api/health",
  ]);
});
