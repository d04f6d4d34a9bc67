import { mkdir } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import type { NetworkPolicy } from "@vercel/sandbox";
import { Hono } from "hono";
import { evaluate } from "../../../policies/engine/evaluate.ts";
import { createAuthority } from "../authority.ts";
import { createDecisionLog, type DecisionEntry } from "../firewall/decisions.ts";
import { ApiError, notFound } from "./api-error.ts";
import { addCommandRoutes } from "./command-routes.ts";
import { removeDisk } from "./disk.ts";
import { createFaults, type FaultVariables, faultBody } from "./faults.ts";
import { addFileRoutes } from "./file-routes.ts";
import { createSandboxHost, type ExecutorMode } from "./host.ts";
import { createIdentityTokens } from "./identity.ts";
import { check } from "./requests.ts";
import { addSandboxRoutes } from "./sandbox-routes.ts";
import { type Clock, createSandboxes } from "./sandboxes.ts";
import { createSnapshotStore } from "./snapshots.ts";

export interface SandboxApiOptions {
  /** Whether a bearer token may use this API. */
  checkToken(token: string): boolean;
  teamId: string;
  /** Project of a call that names none: what it creates belongs to it, and what it looks for is there. */
  projectId?: string;
  /** What a host name means to the firewall. */
  origins: { resolve(host: string): URL | undefined };
  /** Authority that stands for the public ones: sandboxes trust it, and https origins are verified by it. */
  authority: { caPem: string };
  /** Folder for disks and snapshots, mode 0700; what an earlier server left in it is removed. */
  stateDir: string;
  /** Node 24 binary that sandboxes get as /usr/local/bin/node. */
  nodeBinary: string;
  /** How to keep commands apart; the best that this process may, when absent. */
  executorMode?: ExecutorMode;
  clock?: Clock;
  log?: (source: "sandbox" | "firewall", record: Record<string, unknown>) => void;
}

export interface SandboxApi {
  /** Stands for `https://vercel.com/api`. */
  url: string;
  /** How commands are kept apart on this machine. */
  executorMode: ExecutorMode;
  /** What the firewalls decided, oldest first. */
  decisions(sandbox?: string): DecisionEntry[];
  /**
   * The policy that a running sandbox is under, with every value in it: what no client can read back. For the proof
   * that its secrets are nowhere else. Of sandboxes of that name in several projects, the latest.
   *
   * @throws ApiError 404
   */
  policyOf(name: string): NetworkPolicy;
  /**
   * Folder with the files of a snapshot.
   *
   * @throws ApiError 410 when it does not exist any more.
   */
  snapshotDisk(id: string): string;
  /** Stops every sandbox and removes their disks and snapshots. */
  close(): Promise<void>;
}

const systemClock: Clock = {
  now: Date.now,
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/**
 * Starts the local Vercel Sandbox API on a free port of 127.0.0.1, as `@vercel/sandbox` 3.5.0 uses it. Point the SDK
 * at it with its `fetch` option, which replaces `https://vercel.com/api` by `url`.
 *
 * @throws Error naming the command that installs bubblewrap, where it is missing.
 */
export async function startSandboxApi(options: SandboxApiOptions): Promise<SandboxApi> {
  const clock = options.clock ?? systemClock;
  const kept = createDecisionLog();
  const decisions = {
    ...kept,
    add(entry: DecisionEntry) {
      options.log?.("firewall", { ...entry });
      return kept.add(entry);
    },
  };
  const host = await createSandboxHost({
    stateDir: options.stateDir,
    nodeBinary: options.nodeBinary,
    ...(options.executorMode && { executorMode: options.executorMode }),
  });
  const snapshotFolder = join(options.stateDir, "snapshots");
  await removeDisk(snapshotFolder);
  await mkdir(snapshotFolder, { mode: 0o700 });
  const snapshots = createSnapshotStore(snapshotFolder, clock.now);
  const sandboxes = createSandboxes({
    host,
    snapshots,
    clock,
    origins: options.origins,
    publicCa: options.authority.caPem,
    createAuthority,
    evaluate,
    decisions,
    identify: createIdentityTokens(options.teamId, clock.now),
    projectId: options.projectId ?? "prj_sandboxes",
    log: (message, fields) => options.log?.("sandbox", { message, ...fields }),
  });
  const faults = createFaults();

  const app = new Hono<FaultVariables>();
  app.onError((error, c) => {
    if (error instanceof ApiError) return c.json({ error: { code: error.code, message: error.message } }, error.status);
    if (error instanceof SyntaxError)
      return c.json({ error: { code: "bad_request", message: "The body is not JSON." } }, 400);
    options.log?.("sandbox", { message: "request failed", path: c.req.path, error: error.message });
    return c.json({ error: { code: "internal_server_error", message: error.message } }, 500);
  });
  app.notFound((c) =>
    c.json({ error: { code: "not_found", message: `No such call: ${c.req.method} ${c.req.path}` } }, 404),
  );
  app.use(async (c, next) => {
    const token = /^Bearer (.+)$/.exec(c.req.header("authorization") ?? "")?.[1];
    if (token === undefined || !options.checkToken(token)) throw new ApiError(401, "forbidden", "Not authorized.");
    const team = c.req.query("teamId");
    if (team !== undefined && team !== options.teamId)
      throw new ApiError(403, "forbidden", "Not authorized for this team.");
    await next();
  });
  app.use("/:version{v[23]}/*", async (c, next) => {
    const fault = faults.take(c.req.method, c.req.path);
    if (!fault) return next();
    if (fault.delay) await new Promise<void>((resolve) => void clock.after(fault.delay ?? 0, resolve));
    if (fault.status !== undefined) {
      const headers: Record<string, string> = { "content-type": "application/json" };
      if (fault.retryAfter !== undefined) headers["retry-after"] = String(fault.retryAfter);
      const body = JSON.stringify({ error: { code: fault.code, message: "Injected fault." } });
      return new Response(body, { status: fault.status, headers });
    }
    if (fault.cutAfter !== undefined) c.set("cutAfter", fault.cutAfter);
    return next();
  });
  app.post("/console/faults", async (c) => {
    faults.add(check(faultBody, await c.req.json()));
    return c.json({});
  });
  app.delete("/console/faults", (c) => {
    faults.clear();
    return c.json({});
  });
  app.get("/console/decisions", (c) => c.json({ decisions: decisions.list(c.req.query("sandbox")) }));
  app.get("/console/host", (c) => c.json({ executorMode: host.executorMode }));
  addFileRoutes(app, sandboxes);
  addCommandRoutes(app, sandboxes);
  addSandboxRoutes(app, sandboxes, snapshots);

  const { server, port } = await new Promise<{ server: Server; port: number }>((resolve) => {
    const made = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, (address: AddressInfo) =>
      resolve({ server: made as Server, port: address.port }),
    );
  });
  // A waiting `GET …/cmd/:id?wait=true` may hold its headers for as long as a command runs.
  server.requestTimeout = 0;

  return {
    url: `http://127.0.0.1:${port}`,
    executorMode: host.executorMode,
    decisions: (sandbox) => decisions.list(sandbox),
    policyOf(name) {
      const sandbox = sandboxes.everyNamed(name).at(-1);
      if (!sandbox) throw notFound(`Sandbox ${name}`);
      return sandbox.session.policy;
    },
    snapshotDisk: (id) => snapshots.disk(id),
    async close() {
      server.close();
      await sandboxes.close();
      server.closeAllConnections();
      await removeDisk(options.stateDir);
    },
  };
}
