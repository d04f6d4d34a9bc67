/** What tests, review and enforcement mean is one piece of code: here the last of them is held to it, over real sockets. */
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compile } from "../../../policies/engine/compile.ts";
import { evaluate } from "../../../policies/engine/evaluate.ts";
import { bindExample } from "../../../policies/engine/inline-tests.ts";
import type { NetworkPolicy } from "../../../policies/engine/network-policy.ts";
import { loadPolicy } from "../../../policies/engine/policy-files.ts";
import { TICKET_HEADER } from "../../../policies/engine/ticket.ts";
import { places } from "../../engine/places.mjs";
import { createAuthority } from "../authority.ts";
import { createDecisionLog } from "./decisions.ts";
import { createFirewall, type Firewall } from "./firewall.ts";

interface Corpus {
  policy: NetworkPolicy;
  hosts: string[];
  targets: string[];
  headers: [string, string][][];
}

const METHODS = ["GET", "POST", "HEAD", "get"];
const ODD = [
  "/",
  "//",
  "/v1/x/%2e%2e/y",
  "/v1/x/..;/y",
  "/v1//x",
  "/v1/x%2Fy",
  "/v1/x%00",
  "/v1/%e0%80%ae",
  "/V1/X",
  "/v1/x?a=1",
  "/v1/x?a=1&a=2",
  "/v1/x?%61=1",
  "/v1/x?b",
];

/** The example agent's policy, asked with every ticket and with what a guest might add. */
async function agentCorpus(): Promise<Corpus> {
  const { policy } = await loadPolicy(join(places().root, "policies", "support.policy.ts"));
  const bound = bindExample(policy, compile(policy), "run");
  const tickets = Object.keys(bound.principals).map((ticket): [string, string][] => [[TICKET_HEADER, ticket]]);
  return {
    policy: bound.networkPolicy,
    hosts: ["api.crm.example", "packages.example", "api.anthropic.com", "elsewhere.example"],
    targets: [
      "/v1/customers/cus_42",
      "/v1/customers/cus_42/notes",
      "/v1/customers/cus_43",
      "/v1/sessions/sesn_example/events?limit=1000",
      "/v1/sessions/sesn_example/events?limit=1000&other=1",
      "/@scope%2fpackage",
      ...ODD,
    ],
    headers: [[], [["Authorization", "Bearer mine"]], [["Cookie", "a=b"]], ...tickets],
  };
}

/** A policy as somebody may have written it by hand, with what Vercel's reading makes surprising. */
const raw: Corpus = {
  policy: {
    allow: {
      "api.a.example": [
        { match: { path: { startsWith: "/v1/x" }, method: ["GET"] }, transform: [{ headers: { "X-Api-Key": "one" } }] },
        {
          match: { queryString: [{ key: { exact: "a" }, value: { exact: "2" } }] },
          transform: [{ headers: { "X-Api-Key": "two" } }],
        },
        {
          match: { headers: [{ key: { exact: "x-kind" }, value: { regex: "(?i)^open" } }] },
          response: { statusCode: 418 },
        },
        { match: { path: { regex: "x\\z" } }, response: { statusCode: 404, body: "no", contentType: "text/plain" } },
      ],
      "*.a.example": [{ response: { statusCode: 403 } }],
      "www.*.example": [{ match: { method: ["POST"] }, transform: [{ headers: { Authorization: "Bearer mid" } }] }],
    },
  },
  hosts: ["api.a.example", "deep.api.a.example", "www.b.example", "www.b.c.example", "a.example"],
  targets: ["/v1/x", "/v1/y", "/x", ...ODD],
  headers: [
    [],
    [
      ["X-Kind", "closed"],
      ["x-kind", "OPEN-ish"],
    ],
    [
      ["X-API-KEY", "mine"],
      ["x-api-key", "mine too"],
    ],
  ],
};

let seen: IncomingMessage[] = [];
const origin = createServer((request, response) => {
  seen.push(request);
  response.writeHead(299).end();
});
const closers: (() => unknown)[] = [];
beforeAll(() => listen(origin));
afterAll(() => Promise.all(closers.reverse().map((end) => end())));

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

/** Status of the answer; undefined when the connection was cut before one came. */
function ask(port: number, ca: string, servername: string, bytes: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connectTls({ port, host: "127.0.0.1", servername, ca });
    let text = "";
    socket.on("secureConnect", () => socket.write(bytes));
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
      resolve(status === undefined ? undefined : Number(status));
    });
  });
}

test.each([
  ["the example agent's policy", agentCorpus],
  ["a policy written by hand", async () => raw],
])("the firewall does over a socket what evaluate says of %s", async (_, corpusOf) => {
  const { policy, hosts, targets, headers } = await corpusOf();
  const authority = await createAuthority();
  const upstream = new URL(`http://127.0.0.1:${(origin.address() as AddressInfo).port}`);
  const firewall: Firewall = createFirewall({
    sandbox: "box",
    sessionId: "sbx_1",
    policy,
    authority,
    origins: { resolve: () => upstream },
    trusted: [],
    evaluate,
    decisions: createDecisionLog(),
    identify: () => "",
    now: () => 0,
  });
  const port = await listen(createTcpServer((socket) => firewall.accept(socket)));
  closers.push(() => firewall.close());

  const kinds = new Map<string, number>();
  for (const host of hosts) {
    for (const method of METHODS) {
      for (const target of targets) {
        for (const extra of headers) {
          const sent: [string, string][] = [["Host", host], ["Connection", "close"], ...extra];
          const { outcome, rule } = evaluate(policy, { method, host, target, headers: sent });
          seen = [];
          const lines = sent.map(([name, value]) => `${name}: ${value}`);
          const status = await ask(
            port,
            authority.caPem,
            host,
            `${[`${method} ${target} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`,
          );
          const what = `${method} https://${host}${target} ${JSON.stringify(extra)}`;
          kinds.set(outcome.kind, (kinds.get(outcome.kind) ?? 0) + 1);
          // Node's parser knows the registered methods only, and they are upper case: such a request never gets to a rule.
          if (method === "get" && outcome.kind !== "denied") expect([400, outcome.status], what).toContain(status);
          else if (outcome.kind === "denied") expect(status, what).toBeUndefined();
          else if (outcome.kind === "answered") expect(status, what).toBe(outcome.status);
          else {
            expect(status, what).toBe(299);
            expect(
              seen.map((request) => [request.method, request.url]),
              what,
            ).toEqual([[method, target]]);
            const set = rule?.transform?.flatMap((transform) => Object.entries(transform.headers ?? {})) ?? [];
            for (const [name, value] of set) expect(seen[0]?.headers[name.toLowerCase()], what).toBe(value);
          }
          if (outcome.kind === "denied" || outcome.kind === "answered") expect(seen, what).toEqual([]);
        }
      }
    }
  }
  console.log(`${[...kinds].map(([kind, count]) => `${kind} ${count}`).join(", ")}: one answer each`);
  expect(kinds.get("denied")).toBeGreaterThan(0);
  expect(kinds.get("answered")).toBeGreaterThan(0);
  expect(kinds.get("credentialed")).toBeGreaterThan(0);
});
