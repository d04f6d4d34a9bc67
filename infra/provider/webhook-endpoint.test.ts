import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Secret, UNKNOWN } from "./property-values.ts";
import { type ProviderClient, startTestProvider, urnOf } from "./testing/client.ts";
import { webhookEndpoint } from "./webhook-endpoint.ts";

const urn = urnOf("WebhookEndpoint");
/** URL-safe, as the Console shows it: with the characters that the library's decoder refuses. */
const KEY = `whsec_${Buffer.alloc(32, 0xfb).toString("base64url")}`;

/** Status of the answer to an event, given whether its signature is right. */
type Answer = (signed: boolean) => number;
const good: Answer = (signed) => (signed ? 200 : 401);

let server: Server;
let url: string;
let answer: Answer;
let asked: boolean[];
let client: ProviderClient;
let stop: () => void;

beforeEach(async () => {
  answer = good;
  asked = [];
  const verifier = new Webhook(Buffer.alloc(32, 0xfb).toString("base64"));
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    let signed = true;
    try {
      verifier.verify(body, request.headers as Record<string, string>);
    } catch {
      signed = false;
    }
    asked.push(signed);
    response.writeHead(answer(signed), { location: "https://elsewhere.example/" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/webhook`;
  const started = await startTestProvider([webhookEndpoint]);
  ({ client, close: stop } = started);
});
afterEach(() => {
  stop();
  server.closeAllConnections();
  server.close();
});

const inputs = (change: object = {}) => ({
  url,
  events: ["session.status_run_started"],
  environmentId: "env_1",
  environmentKeyGiven: true,
  signingKey: new Secret(KEY),
  ...change,
});

test.each([
  ["a URL that is none", { url: "production" }, /^url: must be an http\(s\) URL/],
  ["no events", { events: [] }, /^events: is empty: nothing would be delivered/],
  [
    "a key of another kind, without saying it",
    { signingKey: new Secret("sk-ant-secret") },
    /^signingKey: must be .*whsec_…$/,
  ],
])("check refuses %s", async (_, change, failure) => {
  const { failures } = await client.check(urn, inputs(change));
  expect(failures).toEqual([expect.stringMatching(failure)]);
  expect(failures.join()).not.toContain("sk-ant-secret");
});

test("a plan says whether gates stay open, and nothing when that is not known yet", async () => {
  const preview = async (change: object) => (await client.create(urn, inputs(change), { preview: true })).state;
  expect(await preview({})).toMatchObject({ status: "verified", missing: [] });
  expect(await preview({ signingKey: undefined })).toMatchObject({ status: "gate open" });
  expect(await preview({ environmentId: UNKNOWN })).toMatchObject({ status: UNKNOWN, missing: UNKNOWN });
  expect(asked).toEqual([]);
});

test("an endpoint that accepts what is signed and refuses what is not is verified; its key stays secret", async () => {
  const { state } = await client.create(urn, (await client.check(urn, inputs({ signingKey: KEY }))).inputs);
  expect(state).toMatchObject({ status: "verified", missing: [] });
  expect(state.signingKey).toBeInstanceOf(Secret);
  expect(asked).toEqual([false, true]);
});

test.each<[string, Answer, RegExp, number]>([
  ["accepts what anybody signed", () => 200, /accepts events that Anthropic did not sign.*do not register it/, 1],
  ["redirects", () => 308, /answers with a redirect \(HTTP 308\)\. Anthropic disables an endpoint at the first/, 1],
  ["redirects only what is signed", (signed) => (signed ? 307 : 401), /answers with a redirect \(HTTP 307\)/, 2],
  ["fails at a bad signature", () => 500, /answers a badly signed event with HTTP 500 instead of 401/, 9],
  ["has another key", () => 401, /refuses events signed with handrail:webhookSigningKey/, 18],
  ["fails at a good one", (signed) => (signed ? 503 : 401), /answers a signed event with HTTP 503, not 2xx/, 18],
])("up fails when the endpoint %s, and says so", async (_, bad, words, requests) => {
  answer = bad;
  await expect(client.create(urn, inputs())).rejects.toThrow(words);
  expect(asked).toHaveLength(requests);
});

test("a deployment that takes a moment to be live is waited for", async () => {
  answer = (signed) => (asked.length < 5 ? 404 : good(signed));
  expect((await client.create(urn, inputs())).state.status).toBe("verified");
});

test("an endpoint that cannot be reached is an error for up, and a finding for refresh", async () => {
  const dead = inputs({ url: "http://127.0.0.1:1/api/webhook" });
  await expect(client.create(urn, dead)).rejects.toThrow(/http:\/\/127\.0\.0\.1:1\/api\/webhook cannot be reached: /);
  const state = { ...dead, status: "verified", missing: [] };
  const read = await client.read(urn, "webhook-endpoint", state, dead);
  expect(read?.state).toMatchObject({ status: "failing", missing: [expect.stringContaining("cannot be reached")] });
  // And so the next plan wants to set it right.
  const diff = await client.diff(urn, { id: "webhook-endpoint", state: read?.state ?? {}, before: dead, after: dead });
  expect(diff.changes).toBe(true);
});

test("with gates open nothing is signed, but an address that redirects is refused before it is registered", async () => {
  const open = inputs({ signingKey: undefined, environmentKeyGiven: false });
  const { state } = await client.create(urn, open);
  expect(state).toMatchObject({
    status: "gate open",
    missing: [
      expect.stringMatching(/^environment key: .*env_1.*config set --secret handrail:environmentKey/),
      expect.stringMatching(/^webhook endpoint: .*session\.status_run_started.*handrail:webhookSigningKey/),
    ],
  });
  answer = () => 302;
  await expect(client.create(urn, open)).rejects.toThrow(/Anthropic disables an endpoint at the first redirect/);
});

test("nothing changes while the gate stays open, nor once it is verified", async () => {
  for (const desired of [inputs({ signingKey: undefined }), inputs()]) {
    const { id, state } = await client.create(urn, desired);
    const read = await client.read(urn, id, state, desired);
    expect(read?.state).toEqual(state);
    const diff = await client.diff(urn, { id, state: read?.state ?? {}, before: read?.inputs ?? {}, after: desired });
    expect(diff).toMatchObject({ changes: false, details: {} });
  }
});
