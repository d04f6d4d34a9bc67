/**
 * What the first bytes of a connection say about where it wants to go.
 *
 * The firewall chooses a policy key by the server name in the TLS ClientHello, before any TLS is ended
 * (contracts/vercel-firewall.md §1.9). Layout: RFC 8446 §4.1.2 and RFC 6066 §3.
 */
export type Greeting =
  | { kind: "incomplete" }
  /** A TLS greeting; `serverName` is lower case, or null when the client named none. */
  | { kind: "tls"; serverName: string | null }
  /** Not TLS, or a greeting that no honest client sends. */
  | { kind: "other"; why: string };

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;
/** A ClientHello with post-quantum key shares is about 2 KiB; nothing honest comes near this. */
const LARGEST_HELLO = 32 * 1024;
const HOST = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;

/** Reads a greeting from the bytes received so far; ask again with more when it is `incomplete`. */
export function readGreeting(bytes: Buffer): Greeting {
  const hello = joinRecords(bytes);
  if (typeof hello === "string") return hello === "" ? { kind: "incomplete" } : { kind: "other", why: hello };
  try {
    return { kind: "tls", serverName: serverName(hello) };
  } catch (error) {
    if (error instanceof RangeError) return { kind: "other", why: "malformed ClientHello" };
    throw error;
  }
}

/** The ClientHello's body, "" while bytes are missing, or why these bytes are none. */
function joinRecords(bytes: Buffer): Buffer | string {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    if (bytes.length > at && bytes[at] !== HANDSHAKE_RECORD) return "not TLS";
    if (bytes.length > LARGEST_HELLO) return "ClientHello too large";
    if (bytes.length < at + 5) return "";
    if (bytes[at + 1] !== 3) return "not TLS";
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    parts.push(bytes.subarray(at + 5, Math.min(end, bytes.length)));
    const body = Buffer.concat(parts);
    if (body.length >= 1 && body[0] !== CLIENT_HELLO) return "not a ClientHello";
    if (body.length >= 4 && body.length >= 4 + body.readUIntBE(1, 3))
      return body.subarray(4, 4 + body.readUIntBE(1, 3));
    if (bytes.length < end) return "";
    at = end;
  }
}

function serverName(hello: Buffer): string | null {
  let at = 2 + 32;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  if (at === hello.length) return null;
  const end = at + 2 + hello.readUInt16BE(at);
  at += 2;
  while (at < end) {
    const type = hello.readUInt16BE(at);
    const length = hello.readUInt16BE(at + 2);
    at += 4;
    if (type === SERVER_NAME_EXTENSION) {
      if (hello.readUInt8(at + 2) !== HOST_NAME) throw new RangeError("unknown server name type");
      const name = hello.toString("latin1", at + 5, at + 5 + hello.readUInt16BE(at + 3)).toLowerCase();
      if (at + 5 + hello.readUInt16BE(at + 3) > hello.length || !HOST.test(name))
        throw new RangeError("bad server name");
      return name;
    }
    at += length;
  }
  return null;
}
