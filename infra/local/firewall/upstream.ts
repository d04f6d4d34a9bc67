import type { IncomingMessage, ServerResponse } from "node:http";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { pipeline } from "node:stream";
import { rootCertificates } from "node:tls";
import { headerPairs } from "./strict-request.ts";

type Pairs = readonly (readonly [string, string])[];

/** Where one request goes, and as what. */
export interface Dispatch {
  /** The server on this machine that stands for the host. */
  origin: URL;
  /** Name that an https origin must prove with its certificate. */
  serverName: string;
  /** Raw request target. */
  target: string;
  /** Headers after the rule was applied. */
  headers: Pairs;
}

/** Headers that belong to one connection (RFC 9110 §7.6.1), and `expect`, which was answered here already. */
const HOP_BY_HOP = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const BODILESS = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);

/**
 * Sends a guest's request on a connection of its own and streams the answer back; redirects are the guest's business.
 * A connection of its own is what keeps a request that one principal smuggled from meeting another's credential.
 *
 * @param trusted PEM certificates that may vouch for an origin, besides the public ones.
 * @returns The status the guest was given; 502 when the origin could not be reached or proved to be another.
 */
export function dispatch(
  guest: IncomingMessage,
  answer: ServerResponse,
  { origin, serverName, target, headers }: Dispatch,
  trusted: readonly string[],
): Promise<number> {
  const secure = origin.protocol === "https:";
  return new Promise((resolve) => {
    const upstream = (secure ? requestHttps : requestHttp)({
      hostname: origin.hostname.replace(/^\[|\]$/g, ""),
      port: origin.port || (secure ? 443 : 80),
      method: guest.method ?? "GET",
      path: target,
      headers: upstreamHeaders(guest, headers).flat(),
      setHost: false,
      agent: false,
      ...(secure && { servername: serverName, ca: [...rootCertificates, ...trusted], ALPNProtocols: ["http/1.1"] }),
    });
    upstream.on("response", (reply) => {
      const status = reply.statusCode ?? 502;
      resolve(status);
      answer.sendDate = false;
      answer.writeHead(status, reply.statusMessage ?? "", endToEnd(headerPairs(reply)).flat());
      answer.flushHeaders();
      pipeline(reply, answer, () => {});
    });
    upstream.on("error", (error: NodeJS.ErrnoException) => {
      resolve(502);
      if (answer.headersSent) return void answer.destroy();
      refuseWith(answer, 502, `the origin of ${serverName} could not be reached: ${error.code ?? "connection failed"}`);
    });
    answer.on("close", () => upstream.destroy());
    pipeline(guest, upstream, () => {});
  });
}

function upstreamHeaders(guest: IncomingMessage, headers: Pairs): Pairs {
  const kept = endToEnd(headers);
  if (guest.headers["transfer-encoding"]) return [...kept, ["Transfer-Encoding", "chunked"]];
  if (guest.headers["content-length"] !== undefined || BODILESS.has(guest.method ?? "GET")) return kept;
  return [...kept, ["Content-Length", "0"]];
}

function endToEnd(headers: Pairs): Pairs {
  const named = headers
    .filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => value.split(",").map((each) => each.trim().toLowerCase()));
  return headers.filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !named.includes(name.toLowerCase()));
}

/** An answer of the firewall itself, after which the connection ends. */
export function refuseWith(answer: ServerResponse, status: number, text: string): void {
  const body = `${text}\n`;
  answer.writeHead(status, {
    "content-type": "text/plain",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  answer.end(body);
}
