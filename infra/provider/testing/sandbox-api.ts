/**
 * As much of Vercel Sandbox's API as the SDK needs to build a snapshot, in memory: commands are recorded, not run
 * (contracts/vercel-sandbox-api.md §2.3, §2.4).
 */
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";

export interface FakeSandboxApi {
  readonly url: string;
  /** Method and path of each request, in order. */
  readonly requests: string[];
  /** Command lines, `sudo ` in front where it was asked for. */
  readonly commands: string[];
  /** Bodies of the creates. */
  readonly created: Record<string, unknown>[];
  readonly sandboxes: Map<string, { sessionId: string }>;
  readonly snapshots: Map<string, { name: string; status: string; expiresAt: number | undefined }>;
  /** Exit code of a command line; 0 unless it says otherwise. */
  exitCode: (line: string) => number;
  close(): Promise<void>;
}

export async function startFakeSandboxApi(): Promise<FakeSandboxApi> {
  const app = new Hono();
  const state: Omit<FakeSandboxApi, "url" | "close"> = {
    requests: [],
    commands: [],
    created: [],
    sandboxes: new Map(),
    snapshots: new Map(),
    exitCode: () => 0,
  };
  let ids = 0;
  const id = (prefix: string) => `${prefix}_${++ids}`;
  const codes = new Map<string, number>();
  const session = (sessionId: string) => ({
    id: sessionId,
    memory: 4096,
    vcpus: 2,
    region: "iad1",
    timeout: 300_000,
    status: "running",
    requestedAt: 1,
    createdAt: 1,
    updatedAt: 1,
    cwd: "/vercel/sandbox",
  });
  const sandbox = (name: string, sessionId: string) => ({
    name,
    persistent: false,
    createdAt: 1,
    updatedAt: 1,
    currentSessionId: sessionId,
    status: "running",
  });
  const snapshot = (snapshotId: string) => {
    const { status, expiresAt } = state.snapshots.get(snapshotId) ?? { status: "deleted", expiresAt: undefined };
    return {
      id: snapshotId,
      sourceSessionId: "sbx_1",
      region: "iad1",
      status,
      sizeBytes: 1,
      createdAt: 1,
      updatedAt: 1,
      ...(expiresAt !== undefined && { expiresAt }),
    };
  };
  const command = (cmdId: string, sessionId: string) => ({
    id: cmdId,
    name: "sh",
    args: [],
    cwd: "/",
    sessionId,
    exitCode: codes.get(cmdId) ?? null,
    startedAt: 1,
  });
  const notFound = () => Response.json({ error: { code: "not_found", message: "Not found" } }, { status: 404 });

  app.use(async (c, next) => {
    state.requests.push(`${c.req.method} ${c.req.path}`);
    await next();
  });
  app.post("/v3/sandboxes", async (c) => {
    const body = (await c.req.json()) as Record<string, unknown> & { name: string };
    if (state.sandboxes.has(body.name)) {
      return c.json({ error: { code: "bad_request", message: "A sandbox with this name exists" } }, 400);
    }
    const sessionId = id("sbx");
    state.created.push(body);
    state.sandboxes.set(body.name, { sessionId });
    return c.json({ sandbox: sandbox(body.name, sessionId), session: session(sessionId), routes: [] });
  });
  app.get("/v2/sandboxes/snapshots", (c) => {
    const found = [...state.snapshots].filter(([, item]) => item.name === c.req.query("name"));
    return c.json({ snapshots: found.map(([key]) => snapshot(key)), pagination: { count: found.length, next: null } });
  });
  app.get("/v2/sandboxes/snapshots/:id", (c) =>
    state.snapshots.has(c.req.param("id")) ? c.json({ snapshot: snapshot(c.req.param("id")) }) : notFound(),
  );
  app.delete("/v2/sandboxes/snapshots/:id", (c) => {
    const found = state.snapshots.get(c.req.param("id"));
    if (!found) return notFound();
    state.snapshots.set(c.req.param("id"), { ...found, status: "deleted" });
    return c.json({ snapshot: snapshot(c.req.param("id")) });
  });
  app.get("/v2/sandboxes/:name", (c) => {
    const name = c.req.param("name");
    const found = state.sandboxes.get(name);
    if (!found) return notFound();
    return c.json({ sandbox: sandbox(name, found.sessionId), session: session(found.sessionId), routes: [] });
  });
  app.delete("/v2/sandboxes/:name", (c) => {
    const name = c.req.param("name");
    const found = state.sandboxes.get(name);
    if (!found) return notFound();
    state.sandboxes.delete(name);
    if (c.req.query("deleteOrphanSnapshots") === "true") {
      for (const [key, item] of state.snapshots) if (item.name === name) state.snapshots.delete(key);
    }
    return c.json({ sandbox: sandbox(name, found.sessionId) });
  });
  app.post("/v2/sandboxes/sessions/:session/fs/write", (c) => c.json({}));
  app.post("/v2/sandboxes/sessions/:session/cmd", async (c) => {
    const body = (await c.req.json()) as { command: string; args: string[]; sudo: boolean };
    const line = [...(body.sudo ? ["sudo"] : []), body.command, ...body.args].join(" ");
    state.commands.push(line);
    const cmdId = id("cmd");
    const started = command(cmdId, c.req.param("session"));
    codes.set(cmdId, state.exitCode(line));
    return c.json({ command: started });
  });
  app.get("/v2/sandboxes/sessions/:session/cmd/:cmd", (c) =>
    c.json({ command: command(c.req.param("cmd"), c.req.param("session")) }),
  );
  app.get("/v2/sandboxes/sessions/:session/cmd/:cmd/logs", () => {
    const line = JSON.stringify({ stream: "stderr", data: "what the step said\n" });
    return new Response(`${line}\n`, { headers: { "content-type": "application/x-ndjson" } });
  });
  app.post("/v2/sandboxes/sessions/:session/snapshot", async (c) => {
    const { expiration } = (await c.req.json()) as { expiration?: number };
    const name = [...state.sandboxes].find(([, item]) => item.sessionId === c.req.param("session"))?.[0] ?? "";
    const snapshotId = id("snap");
    state.snapshots.set(snapshotId, {
      name,
      status: "created",
      expiresAt: expiration ? Date.now() + expiration : undefined,
    });
    return c.json({ snapshot: snapshot(snapshotId), session: session(c.req.param("session")) });
  });

  const server = createAdaptorServer({ fetch: app.fetch });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(state, {
    url,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  });
}
