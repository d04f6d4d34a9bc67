import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { NetworkPolicy } from "@vercel/sandbox";
import { defineSandboxProxy } from "@vercel/sandbox/proxy";
import { afterEach, expect, test } from "vitest";
import { evaluate } from "../../../policies/engine/evaluate.ts";
import { createAuthority } from "../authority.ts";
import { createDecisionLog } from "./decisions.ts";
import { createFirewall } from "./firewall.ts";

const HOST = "api.example";
const SECRET = "Bearer only-the-origin-sees-this";
const POLICY: NetworkPolicy = {
  allow: {
    [HOST]: [
      {
        match: { path: { exact: "/no" } },
        response: { statusCode: 418, body: "by policy", contentType: "text/plain" },
      },
      { match: { path: { exact: "/elsewhere" } }, forwardURL: "https://proxy.example/base/" },
      {
        match: { path: { startsWith: "/v1/" } },
        transform: [{ headers: { authorization: SECRET, "x-handrail-principal": "tool" } }],
      },
    ],
    "opaque.example": [],
  },
};

const closers: (() => void)[] = [];
afterEach(() => {
  for (const end of closers.splice(0)) end();
});

async function listening(server: ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function start(policy: NetworkPolicy = POLICY) {
  const seen: { method: string; url: string; headers: IncomingMessage["headers"]; raw: string[]; body: string }[] = [];
  const sockets = new Set<Socket>();
  const origin = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    seen.push({
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
      raw: request.rawHeaders,
      body,
    });
    if (request.url === "/v1/redirect") return response.writeHead(302, { location: "https://other.example/" }).end();
    response.end("from the origin");
  });
  origin.on("connection", (socket) => sockets.add(socket));
  const originPort = await listening(origin);
  closers.push(() => origin.closeAllConnections());
  const decisions = createDecisionLog();
  const authority = await createAuthority();
  const known = new Set([HOST, "proxy.example", "opaque.example"]);
  const firewall = createFirewall({
    sandbox: "box",
    sessionId: "sbx_1",
    policy,
    authority,
    origins: { resolve: (host) => (known.has(host) ? new URL(`http://127.0.0.1:${originPort}`) : undefined) },
    trusted: [],
    evaluate,
    decisions,
    identify: (audience) => `token-for-${audience}`,
    now: () => 0,
  });
  const port = await listening(createTcpServer((socket) => firewall.accept(socket)));
  closers.push(() => firewall.close());

  /** Sends these bytes over TLS and gives everything that comes back until the connection ends. */
  function send(bytes: string, servername: string = HOST): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        port,
        host: "127.0.0.1",
        servername,
        ca: authority.caPem,
        ALPNProtocols: ["h2", "http/1.1"],
      });
      let text = "";
      socket.on("secureConnect", () => socket.write(bytes));
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("error", reject);
      socket.on("close", () => resolve(text));
    });
  }
  const get = (path: string, headers: string[] = []) =>
    send([`GET ${path} HTTP/1.1`, `Host: ${HOST}`, ...headers, "Connection: close", "", ""].join("\r\n"));
  const plainPort = await listening(createTcpServer((socket) => firewall.acceptPlain(socket)));
  /** Sends these bytes to port 80 and gives everything that comes back until the connection ends. */
  function sendPlain(bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(plainPort, "127.0.0.1", () => socket.write(bytes));
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("error", reject);
      socket.on("close", () => resolve(text));
    });
  }
  return { firewall, send, sendPlain, get, seen, sockets, decisions, authority, port, plainPort };
}

test("a matching rule's headers replace every copy the guest sent, and only the origin sees them", async () => {
  const { get, seen, decisions } = await start();
  const answer = await get("/v1/orders?id=7&token=q", [
    "Authorization: mine",
    "AUTHORIZATION: mine too",
    "X-Handrail-Principal: ticket",
    "X-Other: kept",
  ]);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(answer).not.toContain("only-the-origin");
  expect(seen[0]?.raw.filter((_, at) => at % 2 === 0 && /^authorization$/i.test(seen[0]?.raw[at] ?? ""))).toHaveLength(
    1,
  );
  expect(seen[0]?.headers).toMatchObject({
    authorization: SECRET,
    "x-handrail-principal": "tool",
    "x-other": "kept",
    host: HOST,
  });
  const entry = decisions.list("box").at(-1);
  expect(entry).toMatchObject({
    domain: HOST,
    rule: 2,
    principal: "tool",
    outcome: "credentialed",
    path: "/v1/orders",
    status: 200,
  });
  expect(JSON.stringify(decisions.list())).not.toMatch(/only-the-origin|token=q|ticket/);
});

test("a request that matches no rule goes out as it is", async () => {
  const { get, seen } = await start();
  await get("/plain", ["Authorization: mine"]);
  expect(seen[0]?.headers.authorization).toBe("mine");
});

test("a response rule answers, and nothing reaches the origin", async () => {
  const { get, seen } = await start();
  expect(await get("/no")).toMatch(/^HTTP\/1\.1 418[\s\S]*by policy$/);
  expect(seen).toEqual([]);
});

test("a forwarded request says where it was going, whatever the guest claimed", async () => {
  const { get, seen } = await start();
  await get("/elsewhere?q=1", ["Vercel-Forwarded-Host: lie.example", "Vercel-Sandbox-Oidc-Token: lie"]);
  expect(seen[0]).toMatchObject({
    url: "/base/elsewhere?q=1",
    headers: {
      host: "proxy.example",
      "vercel-forwarded-host": HOST,
      "vercel-forwarded-scheme": "https",
      "vercel-forwarded-port": "443",
      "vercel-forwarded-path": "/elsewhere?q=1",
      "vercel-sandbox-oidc-token": "token-for-https://proxy.example/base/",
    },
  });
});

test("the SDK's proxy makes the original URL of a forwarded request, query included", async () => {
  const { get, seen } = await start();
  await get("/elsewhere?q=1&token=a%2Fb");
  const { url = "", headers } = seen[0] ?? {};
  // It shows the request to its second handler too, since a token of the tests proves nothing.
  const proxy = defineSandboxProxy(
    () => new Response("proved"),
    (request) => new Response(request.url),
  );
  const answer = await proxy(
    new Request(`https://proxy.example${url}`, { headers: headers as Record<string, string> }),
  );
  expect(await answer.text()).toBe(`https://${HOST}/elsewhere?q=1&token=a%2Fb`);
});

test("a redirect is the guest's to follow", async () => {
  const { get, seen } = await start();
  expect(await get("/v1/redirect")).toMatch(/^HTTP\/1\.1 302[\s\S]*location: https:\/\/other\.example\//i);
  expect(seen).toHaveLength(1);
});

const head = (...lines: string[]) => [...lines, "", ""].join("\r\n");
test.each([
  [
    "another Host than the server name",
    head("GET / HTTP/1.1", "Host: other.example"),
    "403",
    "request authority does not match SNI",
  ],
  ["no Host", head("GET / HTTP/1.1", "X: y"), "400"],
  ["two Hosts", head("GET / HTTP/1.1", `Host: ${HOST}`, `Host: ${HOST}`), "400"],
  [
    "Content-Length with Transfer-Encoding",
    `${head("POST /v1/x HTTP/1.1", `Host: ${HOST}`, "Content-Length: 4", "Transfer-Encoding: chunked")}0\r\n\r\n`,
    "400",
  ],
  [
    "two Content-Lengths",
    `${head("POST /v1/x HTTP/1.1", `Host: ${HOST}`, "Content-Length: 1", "Content-Length: 2")}aa`,
    "400",
  ],
  [
    "another transfer coding",
    `${head("POST /v1/x HTTP/1.1", `Host: ${HOST}`, "Transfer-Encoding: gzip, chunked")}0\r\n\r\n`,
    "400",
  ],
  [
    "an unknown transfer coding",
    `${head("POST /v1/x HTTP/1.1", `Host: ${HOST}`, "Transfer-Encoding: xchunked")}0\r\n\r\n`,
    "400",
  ],
  ["a folded header", head("GET /v1/x HTTP/1.1", `Host: ${HOST}`, "X-A: one", " two: three"), "400"],
  ["a bare line feed", `GET /v1/x HTTP/1.1\r\nHost: ${HOST}\r\nX-A: one\nX-B: two\r\n\r\n`, "400"],
  ["a bare line feed after the request line", `GET /v1/x HTTP/1.1\nHost: ${HOST}\r\n\r\n`, "400"],
  ["bare line feeds only", `GET /v1/x HTTP/1.1\nHost: ${HOST}\n\n`, "400"],
  ["a carriage return in a value", `GET /v1/x HTTP/1.1\r\nHost: ${HOST}\r\nX-A: a\rb\r\n\r\n`, "400"],
  ["a NUL in a value", head("GET /v1/x HTTP/1.1", `Host: ${HOST}`, "X-A: a\0b"), "400"],
  ["a space before the colon", head("GET /v1/x HTTP/1.1", `Host: ${HOST}`, "X-A : b"), "400"],
  [
    "a bare line feed in chunk framing",
    `${head("POST /v1/x HTTP/1.1", `Host: ${HOST}`, "Transfer-Encoding: chunked")}1\na\r\n0\r\n\r\n`,
    "400",
  ],
  ["an absolute target", head(`GET https://${HOST}/v1/x HTTP/1.1`, `Host: ${HOST}`), "400"],
  ["CONNECT", head(`CONNECT ${HOST}:443 HTTP/1.1`, `Host: ${HOST}`), "400"],
  ["an upgrade", head("GET /v1/x HTTP/1.1", `Host: ${HOST}`, "Connection: upgrade", "Upgrade: websocket"), "400"],
  [
    "a Connection option that names a header",
    head("GET /v1/x HTTP/1.1", `Host: ${HOST}`, "Connection: authorization"),
    "400",
  ],
  ["a fragment", head("GET /v1/x#y HTTP/1.1", `Host: ${HOST}`), "400"],
  ["a raw byte above ASCII in the target", head("GET /v1/\u00e9 HTTP/1.1", `Host: ${HOST}`), "400"],
  ["an asterisk target", head("OPTIONS * HTTP/1.1", `Host: ${HOST}`), "400"],
  ["HTTP/1.0", head("GET /v1/x HTTP/1.0", `Host: ${HOST}`), "505"],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"],
])("refuses %s before any rule is read", async (_what, bytes, status, text = "") => {
  const { send, seen } = await start();
  const answer = await send(bytes);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(answer).toContain(text);
  expect(seen.filter(({ headers }) => headers.authorization === SECRET)).toEqual([]);
});

test("a request smuggled in another's body stays a body", async () => {
  const { send, seen } = await start();
  const inner = head("GET /v1/smuggled HTTP/1.1", `Host: ${HOST}`);
  await send(
    `${head("POST /plain HTTP/1.1", `Host: ${HOST}`, `Content-Length: ${inner.length}`, "Connection: close")}${inner}`,
  );
  expect(seen.map(({ url, body }) => [url, body])).toEqual([["/plain", inner]]);
});

test("chunked bodies arrive whole, and each request has an upstream connection of its own", async () => {
  const { send, seen, sockets } = await start();
  const chunked = `${head("POST /v1/a HTTP/1.1", `Host: ${HOST}`, "Transfer-Encoding: chunked")}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`;
  const answer = await send(`${chunked}${head("GET /v1/b HTTP/1.1", `Host: ${HOST}`, "Connection: close")}`);
  expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  expect(seen.find(({ url }) => url === "/v1/a")?.body).toBe("abcde");
  expect(sockets.size).toBe(2);
});

test("a name without a key is reset before TLS completes, and so is what is not TLS", async () => {
  const { send, port, decisions } = await start();
  await expect(send("", "unlisted.example")).rejects.toMatchObject({ code: "ECONNRESET" });
  const plain = connect(port, "127.0.0.1");
  plain.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  await expect(new Promise((_, reject) => plain.on("error", reject))).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(decisions.list().map(({ outcome }) => outcome)).toEqual(["denied", "denied"]);
});

test("a live connection is judged by the policy of the moment, and cut when its host is no longer allowed", async () => {
  const { firewall, authority, port } = await start();
  const socket = connectTls({ port, host: "127.0.0.1", servername: HOST, ca: authority.caPem });
  await new Promise<void>((resolve) => socket.on("secureConnect", resolve));
  socket.write(head("GET /plain HTTP/1.1", `Host: ${HOST}`));
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  const cut = new Promise<void>((resolve) => {
    socket.on("error", () => {});
    socket.on("close", () => resolve());
  });
  firewall.setPolicy("deny-all");
  await cut;
  expect(firewall.resolves(HOST)).toBe(false);
});

test("a key without rules lets any Host pass", async () => {
  const { send, seen } = await start();
  await send(head("GET / HTTP/1.1", "Host: fronted.example", "Connection: close"), "opaque.example");
  expect(seen[0]?.headers.host).toBe("fronted.example");
});

test("plain HTTP under a * key goes out as it is, each request by its own Host", async () => {
  const { sendPlain, seen, decisions } = await start({ allow: { ...(POLICY as { allow: object }).allow, "*": [] } });
  const request = (path: string, host: string, last = "X-Other: kept") =>
    head(`GET ${path} HTTP/1.1`, `Host: ${host}`, "Authorization: mine", last);
  const answer = await sendPlain(
    `${request("/v1/a?q=1", HOST)}${request("/no", `${HOST.toUpperCase()}:80`)}${request("/", "unknown.example", "Connection: close")}`,
  );
  expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 502"]);
  expect(seen.map(({ url, headers }) => [url, headers.authorization, headers["x-other"]])).toEqual([
    ["/v1/a?q=1", "mine", "kept"],
    ["/no", "mine", "kept"],
  ]);
  expect(decisions.list().map(({ host, path, outcome, status }) => [host, path, outcome, status])).toEqual([
    [HOST, "/v1/a", "plain", 200],
    [HOST, "/no", "plain", 200],
    ["unknown.example", "/", "plain", 502],
  ]);
});

test.each([
  ["deny-all", "deny-all"],
  ["keys without *", POLICY],
  ["a wildcard that is not *", { allow: ["*.example", "*.*"] }],
  ["ranges only", { subnets: { allow: ["0.0.0.0/0"] } }],
] as [string, NetworkPolicy][])("plain HTTP under %s is reset", async (_what, policy) => {
  const { sendPlain, seen, decisions } = await start(policy);
  await expect(sendPlain(head("GET / HTTP/1.1", `Host: ${HOST}`))).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(seen).toEqual([]);
  expect(decisions.list()).toMatchObject([{ kind: "connection", host: null, outcome: "denied" }]);
});

test("a live connection of plain HTTP is cut when the policy stops to let everything through", async () => {
  const { firewall, plainPort } = await start("allow-all");
  const socket = connect(plainPort, "127.0.0.1");
  socket.write(head("GET /plain HTTP/1.1", `Host: ${HOST}`));
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  const cut = new Promise((resolve) => socket.on("error", resolve));
  firewall.setPolicy({ allow: { "*": [] } });
  socket.write(head("GET /plain HTTP/1.1", `Host: ${HOST}`));
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  firewall.setPolicy(POLICY);
  await expect(cut).resolves.toMatchObject({ code: "ECONNRESET" });
});
