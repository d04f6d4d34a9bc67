import type { Context, Hono } from "hono";
import type { FaultVariables } from "./faults.ts";
import type { Sandbox } from "./records.ts";
import { showSandbox, showSession, showSnapshot } from "./records.ts";
import { check, createBody, extendBody, listQuery, page, policyBody, snapshotBody, updateBody } from "./requests.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { SnapshotStore } from "./snapshots.ts";

const SESSION = "/v2/sandboxes/sessions/:id";
const SNAPSHOT = "/v2/sandboxes/snapshots/:id";
const SANDBOX = "/v2/sandboxes/:name";

/** Sandboxes, their sessions and snapshots (contracts/vercel-sandbox-api.md §2.3). No port is exposed: no routes. */
export function addSandboxRoutes(app: Hono<FaultVariables>, sandboxes: Sandboxes, snapshots: SnapshotStore): void {
  const whole = (sandbox: Sandbox) => ({
    sandbox: showSandbox(sandbox),
    session: showSession(sandbox.session),
    routes: [],
  });
  const named = (c: Context<FaultVariables>) =>
    sandboxes.getSandbox(c.req.param("name") ?? "", c.req.query("projectId"));

  const create = async (c: Context<FaultVariables>) =>
    c.json(whole(await sandboxes.create(check(createBody, await c.req.json()))));
  app.post("/v2/sandboxes", create);
  app.post("/v3/sandboxes", create);

  app.get("/v2/sandboxes", (c) => {
    const query = check(listQuery, c.req.query());
    const [key, ...value] = query.tags?.split(":") ?? [];
    const found = sandboxes
      .list(query.project)
      .filter((each) => each.name.startsWith(query.namePrefix ?? ""))
      .filter((each) => key === undefined || each.tags?.[key] === value.join(":"));
    const { sortBy } = query;
    const sorted = inOrder(found, (each) => each[sortBy] ?? "", query.sortOrder);
    const { slice, pagination } = page(sorted, query);
    return c.json({ sandboxes: slice.map(showSandbox), pagination });
  });

  app.get("/v2/sandboxes/sessions", (c) => {
    const query = check(listQuery, c.req.query());
    const sorted = inOrder(
      sandboxes.listSessions(query.project, query.name),
      (each) => each.requestedAt,
      query.sortOrder,
    );
    const { slice, pagination } = page(sorted, query);
    return c.json({ sessions: slice.map(showSession), pagination });
  });
  app.get(SESSION, (c) => c.json({ session: showSession(sandboxes.getSession(c.req.param("id"))), routes: [] }));

  app.post(`${SESSION}/stop`, async (c) => {
    const session = sandboxes.getSession(c.req.param("id"));
    if (!session.ending) sandboxes.getLive(session.id);
    const snapshot = await sandboxes.stop(session);
    return c.json({
      session: showSession(session),
      sandbox: showSandbox(session.sandbox),
      ...(snapshot && { snapshot: showSnapshot(snapshot) }),
    });
  });

  app.post(`${SESSION}/snapshot`, async (c) => {
    const text = await c.req.text();
    const { expiration } = check(snapshotBody, text === "" ? {} : JSON.parse(text));
    const session = sandboxes.getLive(c.req.param("id"));
    const snapshot = await sandboxes.snapshot(session, expiration);
    return c.json({ snapshot: snapshot && showSnapshot(snapshot), session: showSession(session) });
  });

  app.post(`${SESSION}/network-policy`, async (c) => {
    const session = sandboxes.getLive(c.req.param("id"));
    sandboxes.setPolicy(session, check(policyBody, await c.req.json()));
    return c.json({ session: showSession(session) });
  });

  app.post(`${SESSION}/extend-timeout`, async (c) => {
    const session = sandboxes.getLive(c.req.param("id"));
    sandboxes.extend(session, check(extendBody, await c.req.json()).duration);
    return c.json({ session: showSession(session) });
  });

  app.get("/v2/sandboxes/snapshots", (c) => {
    const query = check(listQuery, c.req.query());
    const sorted = inOrder(
      sandboxes.listSnapshots(query.project, query.name),
      (each) => each.createdAt,
      query.sortOrder,
    );
    const { slice, pagination } = page(sorted, query);
    return c.json({ snapshots: slice.map(showSnapshot), pagination });
  });
  // Ancestry, siblings and anchors are not kept, and the path must not read as a snapshot's id.
  app.get("/v2/sandboxes/snapshots/tree", (c) => c.notFound());
  app.get(SNAPSHOT, (c) => c.json({ snapshot: showSnapshot(snapshots.get(c.req.param("id"))) }));
  app.delete(SNAPSHOT, async (c) => c.json({ snapshot: showSnapshot(await snapshots.delete(c.req.param("id"))) }));

  app.get(SANDBOX, async (c) => {
    const sandbox = named(c);
    const resumed = c.req.query("resume") === "true" && (await sandboxes.resume(sandbox));
    return c.json({ ...whole(sandbox), resumed });
  });
  app.patch(SANDBOX, async (c) => {
    const sandbox = named(c);
    sandboxes.update(sandbox, check(updateBody, await c.req.json()));
    return c.json({ sandbox: showSandbox(sandbox), routes: [] });
  });
  app.delete(SANDBOX, async (c) => {
    const sandbox = named(c);
    await sandboxes.remove(sandbox, c.req.query("deleteOrphanSnapshots") === "true");
    return c.json({ sandbox: showSandbox(sandbox) });
  });
}

function inOrder<Item>(items: Item[], key: (item: Item) => string | number, order: "asc" | "desc"): Item[] {
  const sign = order === "asc" ? 1 : -1;
  return items.toSorted((a, b) => (key(a) < key(b) ? -sign : key(a) > key(b) ? sign : 0));
}
