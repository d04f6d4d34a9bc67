import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { NetworkPolicy, Sandbox } from "@vercel/sandbox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestCloud } from "./test-cloud.ts";

const SECRET = "crm-credential-value";
const POLICY: NetworkPolicy = {
  allow: {
    "api.crm.example": [
      {
        match: { method: ["GET"], path: { startsWith: "/v1/" } },
        transform: [{ headers: { authorization: `Bearer ${SECRET}`, host: "api.crm.example" } }],
      },
      { response: { statusCode: 403, body: "not in the policy", contentType: "text/plain" } },
    ],
    "opaque.example": [],
    "absent.example": [{ transform: [{ headers: { host: "absent.example" } }] }],
  },
};

let cloud: Awaited<ReturnType<typeof startTestCloud>>;
let sandbox: Sandbox;
const seen: { url: string; authorization: string | undefined }[] = [];

beforeAll(async () => {
  cloud = await startTestCloud();
  await cloud.serve("api.crm.example", (request, response) => {
    seen.push({ url: request.url ?? "", authorization: request.headers.authorization });
    if (request.url !== "/v1/stream") return response.end("customer");
    // The second event is sent only when the guest has shown that it got the first.
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: first\n\n");
    seen.length = 0;
    const timer = setInterval(() => {
      if (!seen.some(({ url }) => url === "/v1/got-first")) return;
      clearInterval(timer);
      response.end("data: second\n\n");
    }, 10);
  });
  sandbox = await cloud.create("egress", POLICY);
});
afterAll(() => cloud.close());

async function inside(script: string, options: object = {}) {
  const done = await sandbox.runCommand({ cmd: "bash", args: ["-c", script], ...options });
  return { exitCode: done.exitCode, stdout: await done.stdout(), stderr: await done.stderr() };
}

test("curl and node reach an allowed host, and the origin gets a credential the sandbox never had", async () => {
  expect((await inside("curl -sS https://api.crm.example/v1/customers/1")).stdout).toBe("customer");
  const node = await inside(`node -e 'fetch("https://api.crm.example/v1/x").then(r => r.text()).then(console.log)'`);
  expect(node.stdout).toBe("customer\n");
  expect(seen.map(({ authorization }) => authorization)).toEqual([`Bearer ${SECRET}`, `Bearer ${SECRET}`]);
  const search = await inside(
    `curl -sv https://api.crm.example/v1/x 2>&1; cat /proc/*/environ /proc/*/cmdline 2>/dev/null; grep -rs ${SECRET.slice(0, 8)}${"'"}'${SECRET.slice(8)} /etc /home /opt /run /tmp /var /vercel /workspace /root`,
    { sudo: true },
  );
  expect(search.stdout.replaceAll(/grep -rs.*/g, "")).not.toContain(SECRET);
});

test("openssl sees a certificate of the sandbox's own authority, which is at the documented places", async () => {
  const { stdout } = await inside(
    "openssl s_client -connect api.crm.example:443 -servername api.crm.example -CAfile /usr/local/share/ca-certificates/vercel-proxy-ca.pem </dev/null 2>&1; cmp /etc/pki/ca-trust/source/anchors/vercel-proxy-ca.pem /usr/local/share/ca-certificates/vercel-proxy-ca.pem && echo same",
  );
  expect(stdout).toContain("Verify return code: 0 (ok)");
  expect(stdout).toContain("same");
});

test("other methods get the policy's words", async () => {
  expect((await inside("curl -sS -X POST -d a=b https://api.crm.example/v1/x -w '%{http_code}'")).stdout).toBe(
    "not in the policy403",
  );
});

test("an unlisted name does not resolve, a bare address is unreachable, plain HTTP is reset", async () => {
  expect((await inside("curl -sS https://unlisted.example/")).exitCode).toBe(6);
  const lookup = await inside(`node -e 'require("dns").lookup("unlisted.example", (e) => console.log(e.code))'`);
  expect(lookup.stdout).toBe("EAI_AGAIN\n");
  expect((await inside("curl -sS -k https://203.0.113.7/")).stderr).toMatch(
    /unreachable|Couldn't connect|Failed to connect/i,
  );
  expect((await inside("curl -sS http://api.crm.example/")).stderr).toMatch(/reset/i);
});

test("plain HTTP reaches an origin by its Host under allow-all and under a * key only, and no rule touches it", async () => {
  const rules = [{ transform: [{ headers: { authorization: `Bearer ${SECRET}` } }] }];
  const open = await cloud.create("open", "allow-all");
  const curl = async (policy: NetworkPolicy, ...args: string[]) => {
    await open.update({ networkPolicy: policy });
    seen.length = 0;
    const done = await open.runCommand("curl", ["-sS", "-w", " %{http_code}", ...args]);
    return { out: await done.output("both"), seen: [...seen] };
  };
  const url = "http://api.crm.example/v1/plain?q=1";
  for (const policy of ["allow-all", { allow: ["*"] }, { allow: { "*": rules, "api.crm.example": rules } }] as const) {
    const { out, seen } = await curl(policy as NetworkPolicy, url);
    expect(out).toBe("customer 200");
    expect(seen).toEqual([{ url: "/v1/plain?q=1", authorization: undefined }]);
  }
  expect((await curl("allow-all", "http://absent.example/")).out).toMatch(/no origin is registered[\s\S]* 502$/);
  for (const allow of [["api.crm.example"], ["*.crm.example"], { "api.crm.example": rules }] as const) {
    expect(await curl({ allow } as NetworkPolicy, url)).toEqual({ out: expect.stringMatching(/reset/i), seen: [] });
  }
  await open.stop();
});

test("an unlisted server name on an allowed address is reset, a lying Host is refused", async () => {
  const connectTo = "--connect-to unlisted.example:443:api.crm.example:443";
  expect((await inside(`curl -sS ${connectTo} https://unlisted.example/`)).exitCode).toBe(35);
  const lying = await inside("curl -sS -H 'Host: other.example' https://api.crm.example/v1/x -w '%{http_code}'");
  expect(lying.stdout).toBe("Forbidden: request authority does not match SNI\n403");
});

test("events are streamed as they come", async () => {
  const { stdout } = await inside(
    'curl -sSN https://api.crm.example/v1/stream | while read -r line; do echo "$line"; [ "$line" = \'data: first\' ] && curl -sS -o /dev/null https://api.crm.example/v1/got-first; done',
  );
  expect(stdout).toContain("data: second");
});

test("a name without an origin on this machine says so", async () => {
  const { stdout } = await inside("curl -sS https://absent.example/ -w '%{http_code}'");
  expect(stdout).toMatch(/no origin is registered for absent\.example[\s\S]*502$/);
});

test("a key without rules is passed through to the origin's own certificate", async () => {
  const { key, cert } = await cloud.authority.issue(["opaque.example"]);
  const server = createServer({ key, cert }, (_request, response) => response.end("own TLS"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cloud.origins.set("opaque.example", `https://127.0.0.1:${(server.address() as AddressInfo).port}`);
  expect((await inside("curl -sS https://opaque.example/")).stdout).toBe("own TLS");
  server.closeAllConnections();
  server.close();
});

test("a policy change holds at once, and what is read back withholds values and answers", async () => {
  const shown = JSON.stringify(
    await (await import("@vercel/sandbox")).Sandbox.get({ ...cloud.sdk, name: "egress" }).then(
      (each) => each.currentSession().networkPolicy,
    ),
  );
  expect(shown).toContain("authorization");
  expect(shown).not.toContain(SECRET);
  expect(shown).not.toContain("not in the policy");
  await sandbox.update({ networkPolicy: "deny-all" });
  expect((await inside("curl -sS https://api.crm.example/v1/x")).exitCode).toBe(6);
  await sandbox.update({ networkPolicy: POLICY });
  expect((await inside("curl -sS https://api.crm.example/v1/x")).stdout).toBe("customer");
});

test("the older form of a policy holds on create, on update and for the session", async () => {
  const injectionRules = [{ domain: "api.crm.example", headers: { authorization: `Bearer ${SECRET}` } }];
  const custom = { mode: "custom", allowedDomains: ["api.crm.example"], injectionRules } as unknown as NetworkPolicy;
  const older = await cloud.create("older", custom);
  const curl = async () => (await older.runCommand("curl", ["-sS", "https://api.crm.example/v1/older"])).exitCode;
  seen.length = 0;
  expect(await curl()).toBe(0);
  expect(seen).toEqual([{ url: "/v1/older", authorization: `Bearer ${SECRET}` }]);
  expect((await older.runCommand("curl", ["-sS", "https://opaque.example/"])).exitCode).toBe(6);
  expect(older.currentSession().networkPolicy).toEqual({
    allow: { "api.crm.example": [{ transform: [{ headers: { authorization: "<redacted>" } }] }] },
  });
  await older.update({ networkPolicy: { mode: "default-deny" } as unknown as NetworkPolicy });
  expect(await curl()).toBe(6);
  expect(older.currentSession().networkPolicy).toBe("deny-all");
  await older.update({ networkPolicy: custom });
  expect(await curl()).toBe(0);
  await older.stop();
});

test("the decision log names the rule, and no secret", async () => {
  const { decisions } = (await (await cloud.console("GET", "decisions?sandbox=egress")).json()) as {
    decisions: object[];
  };
  expect(decisions).toContainEqual(
    expect.objectContaining({
      host: "api.crm.example",
      path: "/v1/customers/1",
      rule: 0,
      outcome: "credentialed",
      method: "GET",
    }),
  );
  expect(decisions).toContainEqual(
    expect.objectContaining({ host: "unlisted.example", kind: "name", outcome: "denied" }),
  );
  expect(JSON.stringify(decisions)).not.toContain(SECRET);
});

test("an executor in an empty network namespace and a uid of its own reaches nothing and reads nobody", async () => {
  if (cloud.api.executorMode !== "uid") return;
  const keep = await sandbox.runCommand({
    cmd: "sleep",
    args: ["100"],
    env: { SUPERVISOR_SECRET: "s" },
    sudo: true,
    detached: true,
  });
  const { stdout } = await inside(
    "exec unshare --pid --fork --mount --mount-proc --net setpriv --reuid 64001 --regid 64001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all bash -c 'id -u; ls /proc | grep -c \"^[0-9]\"; grep CapBnd /proc/self/status; curl -sS https://api.crm.example/ 2>&1'",
    { sudo: true },
  );
  expect(stdout).toMatch(/^64001\n[1-5]\nCapBnd:\t0000000000000000\n[\s\S]*Could not resolve host/);
  await keep.kill();
});
