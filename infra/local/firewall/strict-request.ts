import type { IncomingMessage } from "node:http";

/** Why a request is refused before any rule is read, with the status the guest gets. */
export interface Refusal {
  status: number;
  why: string;
}

/** Text of the platform's answer to a lying Host (contracts/vercel-firewall.md, "Failure signatures"). */
export const AUTHORITY_MISMATCH = "request authority does not match SNI";

const ORIGIN_FORM = /^\/[\x21-\x22\x24-\x7e]*$/;
const HARMLESS_CONNECTION_OPTIONS = new Set(["close", "keep-alive", "te"]);

/**
 * Refuses what two parsers could read in two ways, so that what the rules judged is what the origin gets.
 *
 * Node's parser runs in strict mode and has already refused folded headers, bare line feeds, spaces before colons,
 * Content-Length with Transfer-Encoding and repeated lengths; this looks at what it lets through.
 *
 * @param request As parsed by `node:http`; its `rawHeaders` and `url` are what was sent.
 * @param serverName TLS server name of the connection, lower case; null where the platform does not look (raw keys).
 */
export function refuse(request: IncomingMessage, serverName: string | null): Refusal | null {
  const values = (name: string) => headerPairs(request).filter(([key]) => key.toLowerCase() === name);
  if (request.httpVersion !== "1.1") return { status: 505, why: "only HTTP/1.1 is spoken here" };
  if (!ORIGIN_FORM.test(request.url ?? "")) return { status: 400, why: "request target must be a path" };
  const hosts = values("host");
  if (hosts.length !== 1) return { status: 400, why: "exactly one Host header is needed" };
  if (serverName !== null && hostName(hosts[0]?.[1] ?? "") !== serverName)
    return { status: 403, why: AUTHORITY_MISMATCH };
  if (values("upgrade").length > 0) return { status: 400, why: "protocol upgrades are not supported" };
  const codings = values("transfer-encoding");
  if (codings.length > 0 && values("content-length").length > 0)
    return { status: 400, why: "Content-Length with Transfer-Encoding" };
  if (codings.length > 1 || (codings[0] && codings[0][1].toLowerCase() !== "chunked"))
    return { status: 400, why: "the only transfer coding here is chunked" };
  if (values("content-length").length > 1) return { status: 400, why: "repeated Content-Length" };
  const options = values("connection").flatMap(([, value]) =>
    value.split(",").map((each) => each.trim().toLowerCase()),
  );
  const odd = options.find((each) => each !== "" && !HARMLESS_CONNECTION_OPTIONS.has(each));
  return odd === undefined ? null : { status: 400, why: "a Connection option that names a header" };
}

/** The headers as sent: order, case and repetitions kept. */
export function headerPairs(message: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at < message.rawHeaders.length; at += 2)
    pairs.push([message.rawHeaders[at] ?? "", message.rawHeaders[at + 1] ?? ""]);
  return pairs;
}

/** Host header without the port that goes without saying. */
function hostName(value: string): string {
  return value.toLowerCase().replace(/:443$/, "");
}
