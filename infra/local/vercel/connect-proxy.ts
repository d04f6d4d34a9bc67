import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";

export interface ConnectProxyOptions {
  /** The servers that stand for these hosts on port 443. Any other host is refused. */
  hosts: Record<string, Server>;
  authority: { issue(hostnames: string[]): Promise<{ key: string; cert: string }> };
}

/**
 * A proxy for programs whose addresses are fixed: it answers CONNECT by ending TLS itself, with a certificate that
 * those trust who trust the authority (SSL_CERT_FILE), and speaks HTTP/1.1 for the hosts it stands for.
 */
export async function createConnectProxy({ hosts, authority }: ConnectProxyOptions): Promise<Server> {
  const certificates = new Map<string, SecureContext>();
  for (const host of Object.keys(hosts)) certificates.set(host, createSecureContext(await authority.issue([host])));

  const proxy = createServer((_request, response) => {
    response.writeHead(403, { "content-type": "text/plain" });
    response.end("This proxy only answers CONNECT, for the hosts of the local Vercel API.\n");
  });
  proxy.on("connect", (request, socket: Socket, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    const [host = "", port] = (request.url ?? "").toLowerCase().split(":");
    const server = hosts[host];
    const secureContext = certificates.get(host);
    if (!server || !secureContext || port !== "443") {
      const text = `The local Vercel API does not stand for ${host}:${port ?? ""}; nothing else is reachable through it.\n`;
      socket.end(
        `HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
      );
      return;
    }
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    if (head.length > 0) socket.unshift(head);
    const tls = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ["http/1.1"] });
    tls.on("error", () => tls.destroy());
    server.emit("connection", tls);
  });
  return proxy;
}
