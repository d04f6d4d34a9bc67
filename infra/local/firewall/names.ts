import type { Socket as UdpSocket } from "node:dgram";
import type { Socket } from "node:net";
import { type DecodedPacket, decode, encode, RECURSION_DESIRED } from "dns-packet";

/**
 * The sandbox's resolver. A name that the policy allows gets the address on which the firewall listens inside the
 * sandbox; any other fails as on the platform: SERVFAIL, which C libraries report as EAI_AGAIN
 * (contracts/vercel-firewall.md, "Failure signatures").
 */
export interface Resolver {
  /** Answers one DNS message, or null for one that deserves no answer. */
  answer(query: Buffer): Buffer | null;
}

/** Seconds; short, since a policy may change at any moment. */
const TTL = 1;

/**
 * @param allowed Whether the policy of this moment lets this name resolve.
 * @param address IPv4 address that leads to the firewall.
 */
export function createResolver(allowed: (name: string) => boolean, address: string): Resolver {
  return {
    answer(query) {
      let packet: DecodedPacket;
      try {
        packet = decode(query);
      } catch {
        return null;
      }
      const question = packet.questions?.[0];
      if (packet.type !== "query" || !question || packet.questions?.length !== 1) return null;
      const reply = { id: packet.id, type: "response" as const, questions: [question] };
      const flags = RECURSION_DESIRED | RECURSION_AVAILABLE;
      if (!allowed(question.name.toLowerCase().replace(/\.$/, ""))) {
        return encode({ ...reply, flags: flags | SERVFAIL });
      }
      const answers =
        question.type === "A" ? [{ type: "A" as const, name: question.name, ttl: TTL, data: address }] : [];
      return encode({ ...reply, flags, answers });
    },
  };
}

const RECURSION_AVAILABLE = 1 << 7;
const SERVFAIL = 2;

/** Serves a resolver on a bound UDP socket. */
export function serveUdp(socket: UdpSocket, resolver: Resolver): void {
  socket.on("message", (query, from) => {
    const reply = resolver.answer(query);
    if (reply) socket.send(reply, from.port, from.address, () => {});
  });
}

/** Serves a resolver on one TCP connection (RFC 1035 §4.2.2: two bytes of length before each message). */
export function serveTcp(socket: Socket, resolver: Resolver): void {
  let pending = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const reply = resolver.answer(pending.subarray(2, end));
      pending = pending.subarray(end);
      if (!reply) return void socket.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([length, reply]));
    }
  });
}
