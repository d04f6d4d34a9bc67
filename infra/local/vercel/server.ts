/** The local Vercel account: REST API, proxy for the programs that only know its real address, and deployments. */
import { mkdir } from "node:fs/promises";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import type { Authority } from "../authority.ts";
import { accountRoutes, requireToken } from "./account.ts";
import { createConnectProxy } from "./connect-proxy.ts";
import { consoleRoutes } from "./console.ts";
import { CronScheduler } from "./cron.ts";
import { deploymentRoutes, removeDeployment } from "./deployments.ts";
import { envVarRoutes } from "./env-vars.ts";
import { Faults } from "./faults.ts";
import { FileStore, fileRoutes } from "./files.ts";
import { serve } from "./front.ts";
import { FunctionHost } from "./function-host.ts";
import { VercelError } from "./http-error.ts";
import { createIdentityProvider, type IdentityClaims } from "./identity.ts";
import { nameRoutes } from "./names.ts";
import { answerError } from "./platform-error.ts";
import { createProject, projectRoutes } from "./projects.ts";
import type { ProtectionAnswer } from "./protection.ts";
import { answerFrameworks, answerRegions, SIDE_HOSTS } from "./side-hosts.ts";
import { Store } from "./store.ts";
import { systemVariables } from "./system-variables.ts";

export interface VercelApiOptions {
  /** The account's API token. The plugin wants 24 letters and digits in it. */
  token: string;
  teamId: string;
  /** Slug of the team; `local` by default. */
  teamSlug?: string;
  /** A project that exists from the start, for programs that only want sandboxes. */
  projectId: string;
  authority: Pick<Authority, "issue">;
  /** Folder for uploads, deployments and function logs. */
  stateDir: string;
  /** Node that functions run on; the one that runs this program by default. */
  nodeBinary?: string;
  /** In the environment of every function process, e.g. NODE_EXTRA_CA_CERTS. */
  functionEnv?: Record<string, string>;
  /** Told which host names lead to `deploymentsUrl`, so that other parts of the local cloud find them. */
  origins?: { set(host: string, url: string): void };
  /** Called with each API request and cron run (`vercel`), and with each line that a function prints (`function`). */
  log?: (source: "vercel" | "function", record: Record<string, unknown>) => void;
  now?: () => number;
}

export interface VercelApi {
  /** Stands for `https://api.vercel.com`; `/console/*` besides. */
  url: string;
  /** Stands for the same host, and the plugin's two others, towards programs with HTTPS_PROXY and SSL_CERT_FILE. */
  proxyUrl: string;
  /** Serves the deployments: by Host, else the youngest that is in production. */
  deploymentsUrl: string;
  /** Folder of `<deployment id>.log` files: what functions printed. */
  logsFolder: string;
  /** The claims of a function's OIDC token when it was issued here and is still valid. */
  verifyIdentity(token: string): IdentityClaims | undefined;
  /** Ends every function process and every connection. */
  close(): Promise<void>;
}

/** Starts the account on loopback ports of the system's choice. */
export async function startVercelApi(options: VercelApiOptions): Promise<VercelApi> {
  const { token, teamId, teamSlug = "local", stateDir, log = () => {}, now = Date.now } = options;
  const deploymentsFolder = join(stateDir, "deployments");
  const logsFolder = join(stateDir, "logs");
  await mkdir(deploymentsFolder, { recursive: true });

  const store = new Store();
  const faults = new Faults();
  const identities = await createIdentityProvider({ id: teamId, slug: teamSlug }, now);
  const host = new FunctionHost({
    nodeBinary: options.nodeBinary ?? process.execPath,
    logsFolder,
    functionEnv: options.functionEnv ?? {},
    onLine: (record) => log("function", record),
  });
  createProject(store, now(), "sandboxes", {}, options.projectId);

  let protectionAnswer: ProtectionAnswer = "redirect";
  const front = createServer((request, response) => {
    serve({ store, host, identities, faults, protectionAnswer: () => protectionAnswer }, request, response).catch(
      (error: unknown) => {
        log("vercel", { event: "front", error: String(error) });
        if (!response.headersSent) answerError(response, 500, "INTERNAL_SERVER_ERROR");
        else response.destroy();
      },
    );
  });
  const deploymentsUrl = await listen(front);
  const crons = new CronScheduler({ store, deploymentsUrl, now, log: (record) => log("vercel", record) });

  const app = new Hono<{ Bindings: HttpBindings }>();
  app.onError((error, c) => {
    if (error instanceof VercelError) return c.json(error.body, error.status);
    log("vercel", { event: "error", method: c.req.method, path: c.req.path, error: error.stack ?? error.message });
    return c.json({ error: { code: "internal_server_error", message: error.message } }, 500);
  });
  app.notFound((c) => {
    const message = `${c.req.method} ${c.req.path} is not part of the local Vercel API`;
    return c.json({ error: { code: "not_found", message } }, 404);
  });
  app.use(async (c, next) => {
    await next();
    log("vercel", { event: "api", method: c.req.method, path: c.req.path, status: c.res.status });
  });
  const asPlain = app as unknown as Hono;
  consoleRoutes(asPlain, { crons, faults, setProtectionAnswer: (answer) => (protectionAnswer = answer) });
  app.use(async (c, next) => {
    const { pathname, search } = new URL(c.req.url);
    const fault = await faults.meet("api", c.req.method, pathname + search);
    if (fault?.drop === "request") c.env.outgoing.destroy();
    else if (fault?.status !== undefined) {
      throw new VercelError(fault.status as 500, "local_fault", "A fault that was asked for.");
    } else await next();
    if (fault?.drop === "response") c.env.outgoing.destroy();
  });
  requireToken(asPlain, { token, teamId, teamSlug });
  accountRoutes(asPlain, { token, teamId, teamSlug }, store, now);
  const files = new FileStore(join(stateDir, "files"));
  const onHost = (name: string) => options.origins?.set(name, deploymentsUrl);
  const deployments = {
    store,
    files,
    folder: deploymentsFolder,
    now,
    systemVariables,
    onHost,
    onReplaced: (replaced: Parameters<FunctionHost["drain"]>[0]) => host.drain(replaced),
    onDelete: (deleted: Parameters<FunctionHost["remove"]>[0]) => host.remove(deleted),
  };
  projectRoutes(asPlain, {
    store,
    teamId,
    now,
    onDelete: async (project) => {
      const own = [...store.deployments.values()].filter((deployment) => deployment.project === project);
      await Promise.all(own.map((deployment) => removeDeployment(deployments, deployment)));
    },
  });
  envVarRoutes(asPlain, { store, now });
  fileRoutes(asPlain, files);
  deploymentRoutes(asPlain, deployments);
  nameRoutes(asPlain, { store, now, onHost });

  const api = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  const frameworks = createServer(onlyResponse(answerFrameworks));
  const regions = createServer(onlyResponse(answerRegions));
  const proxy = await createConnectProxy({
    authority: options.authority,
    hosts: { "api.vercel.com": api, [SIDE_HOSTS.frameworks]: frameworks, [SIDE_HOSTS.regions]: regions },
  });
  const tunnels = trackSockets(proxy);
  const [url, proxyUrl] = [await listen(api), await listen(proxy)];
  crons.start();

  return {
    url,
    proxyUrl,
    deploymentsUrl,
    logsFolder,
    verifyIdentity: (given) => identities.verify(given),
    async close() {
      crons.stop();
      await host.close();
      for (const socket of tunnels) socket.destroy();
      await Promise.all([front, api, proxy].map(shut));
    },
  };
}

function onlyResponse(answer: (response: ServerResponse) => void): RequestListener {
  return (_request, response) => answer(response);
}

async function listen(server: Server): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(0, "127.0.0.1", resolve);
  await promise;
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Tunnels outlive their CONNECT request, so `closeAllConnections` does not know them. */
function trackSockets(server: Server): Set<{ destroy(): void }> {
  const open = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  return open;
}

async function shut(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}
