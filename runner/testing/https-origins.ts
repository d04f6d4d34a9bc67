/** HTTPS origins on loopback for tests: real TLS under the hosts' own names, and connections that find them. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { Agent, buildConnector, type Dispatcher } from "undici";
import { createAuthority } from "../../infra/local/authority.ts";

/** A request as an origin got it. */
export interface ReceivedRequest {
  readonly host: string;
  readonly method: string;
  /** Raw request target. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Origins under test. */
export interface HttpsOrigins {
  /** Everything that any of them received, in order. */
  readonly received: ReceivedRequest[];
  /** Connections by which `https://<host>/` reaches the origin of that host. */
  readonly dispatcher: Dispatcher;
  close(): Promise<void>;
}

/** What an origin answers. */
export type Answer = (request: ReceivedRequest, response: ServerResponse) => void;

/** Starts one server that answers for several hosts, told apart by the name in the TLS handshake. */
export async function startHttpsOrigins(hosts: Readonly<Record<string, Answer>>): Promise<HttpsOrigins> {
  const authority = await createAuthority();
  const { key, cert } = await authority.issue(Object.keys(hosts));
  const received: ReceivedRequest[] = [];
  const server = createServer({ key, cert }, (request, response) => {
    void collect(request).then((body) => {
      const host = (request.socket as unknown as { servername: string }).servername;
      const { method = "", url: target = "", headers } = request;
      const entry = { host, method, target, headers, body };
      received.push(entry);
      hosts[host]?.(entry, response);
    });
  });
  const port = await listen(server);
  const connector = buildConnector({ ca: authority.caPem });
  const dispatcher = new Agent({
    connect: (options, callback) =>
      connector(
        { ...options, servername: options.hostname, hostname: "127.0.0.1", host: "127.0.0.1", port: String(port) },
        callback,
      ),
  });
  return {
    received,
    dispatcher,
    async close() {
      await dispatcher.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function collect(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  return body;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
