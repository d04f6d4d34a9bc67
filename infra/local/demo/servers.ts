/**
 * The two services of the demo's world, served over real TLS on loopback: the CRM that takes two credentials, and the
 * package registry that takes none. Each keeps what reached it, since the proof is what the services saw.
 */
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type HttpBindings, serve } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { CUSTOMER } from "./task.ts";

/** A request as a service saw it. `headers` holds every header; the proof searches them for secrets. */
export interface Seen {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

export interface Service {
  /** `https://127.0.0.1:<port>`; its certificate names the host that it stands for. */
  url: string;
  seen: Seen[];
  close(): Promise<void>;
}

export interface Crm extends Service {
  notes: { customer: string; text: string }[];
  /** When set, every authorised GET is answered with a redirect to this URL. */
  redirectTo: string | undefined;
}

export interface TlsIdentity {
  key: string;
  cert: string;
}

type App = Hono<{ Bindings: HttpBindings }>;

async function record(c: Context<{ Bindings: HttpBindings }>): Promise<Seen> {
  // The raw target, not a parsed one: an escape that the firewall let through must show here.
  const path = c.env.incoming.url ?? "";
  return { method: c.req.method, path, headers: Object.fromEntries(c.req.raw.headers), body: await c.req.text() };
}

async function listen(app: App, tls: TlsIdentity): Promise<{ url: string; close(): Promise<void> }> {
  const server = serve({ fetch: app.fetch, createServer, serverOptions: tls, port: 0, hostname: "127.0.0.1" });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}

/** The CRM: GET a customer with the read token, POST a note with the write token; anything else is 401 or 404. */
export async function startCrm(o: { tls: TlsIdentity; readToken: string; writeToken: string }): Promise<Crm> {
  const state: Pick<Crm, "seen" | "notes" | "redirectTo"> = { seen: [], notes: [], redirectTo: undefined };
  const app: App = new Hono();
  app.use(async (c, next) => {
    state.seen.push(await record(c));
    await next();
  });
  app.get("/v1/customers/:id", (c) => {
    if (c.req.header("authorization") !== `Bearer ${o.readToken}`) return c.json({ error: "unauthorized" }, 401);
    if (state.redirectTo) return c.redirect(state.redirectTo, 302);
    if (c.req.param("id") !== CUSTOMER) return c.json({ error: "not found" }, 404);
    return c.json({ id: CUSTOMER, name: "Ines Almeida", plan: "gold", since: "2024-03-01" });
  });
  app.post("/v1/customers/:id/notes", async (c) => {
    if (c.req.header("authorization") !== `Bearer ${o.writeToken}`) return c.json({ error: "unauthorized" }, 401);
    const body = (await c.req.json()) as { text?: string };
    state.notes.push({ customer: c.req.param("id"), text: body.text ?? "" });
    return c.json({ id: `note_${state.notes.length}` }, 201);
  });
  return Object.assign(state, await listen(app, o.tls));
}

/** The package registry: answers any GET, knows no credential. */
export async function startPackages(o: { tls: TlsIdentity }): Promise<Service> {
  const seen: Seen[] = [];
  const app: App = new Hono();
  app.all("*", async (c) => {
    seen.push(await record(c));
    return c.json({ name: c.req.path.split("/")[1] ?? "", version: "1.4.2" });
  });
  return { seen, ...(await listen(app, o.tls)) };
}
