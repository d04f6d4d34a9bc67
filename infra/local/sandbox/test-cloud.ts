/** What the tests of this folder share: a server, an SDK that knows it, and origins that show what reached them. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type NetworkPolicy, Sandbox } from "@vercel/sandbox";
import { createAuthority } from "../authority.ts";
import { OriginRegistry } from "../origins.ts";
import { type SandboxApiOptions, startSandboxApi } from "./server.ts";

export const TOKEN = "token-of-the-tests";
const NODE = fileURLToPath(new URL("../../../node_modules/node/bin/node", import.meta.url));

export async function startTestCloud(more: Partial<SandboxApiOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "sandbox-test-"));
  const authority = await createAuthority();
  const origins = new OriginRegistry();
  const api = await startSandboxApi({
    checkToken: (token) => token === TOKEN,
    teamId: "team_test",
    origins,
    authority,
    stateDir: join(folder, "state"),
    nodeBinary: NODE,
    ...more,
  });
  const closers: (() => Promise<void>)[] = [];
  const sdk = {
    token: TOKEN,
    teamId: "team_test",
    projectId: "prj_test",
    fetch: ((input: string, init?: RequestInit) =>
      fetch(input.replace("https://vercel.com/api", api.url), init)) as typeof globalThis.fetch,
  };
  return {
    api,
    authority,
    origins,
    folder,
    sdk,
    create: (name: string, networkPolicy: NetworkPolicy = "deny-all", params: object = {}) =>
      Sandbox.create({ ...sdk, name, networkPolicy, persistent: false, ...params }),
    /** Serves a host and answers what `handler` says. */
    async serve(hostname: string, handler: (request: IncomingMessage, response: ServerResponse) => void) {
      const server = createServer(handler);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      origins.set(hostname, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      closers.push(
        () =>
          new Promise((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
          }),
      );
    },
    console: (method: string, path: string, body?: object) =>
      fetch(`${api.url}/console/${path}`, {
        method,
        headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
      }),
    async close() {
      await api.close();
      for (const end of closers) await end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
