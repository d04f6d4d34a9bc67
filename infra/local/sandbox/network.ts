import { fork } from "node:child_process";
import type { Socket as UdpSocket } from "node:dgram";
import type { Server, Socket } from "node:net";
import { fileURLToPath } from "node:url";

/** Address on the sandbox's loopback where its firewall and resolver listen; /8 is all loopback, so it needs no setup. */
export const FIREWALL_ADDRESS = "127.64.0.1";

/** ms; the opener needs about 50. */
const START_DEADLINE = 20_000;

/** Listening sockets inside a sandbox's network namespace, served by this process. */
export interface GuestNetwork {
  onTls(handler: (socket: Socket) => void): void;
  onPlain(handler: (socket: Socket) => void): void;
  onDnsTcp(handler: (socket: Socket) => void): void;
  readonly dnsUdp: UdpSocket;
  close(): void;
}

/**
 * Opens the sockets that make up all of a sandbox's network.
 *
 * @param pid A process inside the sandbox, as the host numbers it.
 * @param ownUserNamespace Whether the sandbox has a user namespace that must be entered first (no root).
 */
export async function openGuestNetwork(pid: number, ownUserNamespace: boolean): Promise<GuestNetwork> {
  const entering = [
    ...(ownUserNamespace ? [`--user=/proc/${pid}/ns/user`, "--preserve-credentials"] : []),
    `--net=/proc/${pid}/ns/net`,
    "setpriv",
    "--bounding-set=-all,+net_bind_service",
    "--inh-caps=-all",
    "--no-new-privs",
    process.execPath,
  ];
  const opener = fork(fileURLToPath(new URL("listeners.ts", import.meta.url)), [FIREWALL_ADDRESS], {
    execPath: "nsenter",
    execArgv: entering,
    env: { PATH: process.env.PATH },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let complaint = "";
  opener.stderr?.on("data", (bytes) => {
    complaint = `${complaint}${bytes}`.slice(-2_000);
  });
  const sockets = new Map<string, unknown>();
  opener.on("message", (name: string, handle) => sockets.set(name, handle));
  await new Promise<void>((resolve, reject) => {
    const deadline = setTimeout(() => opener.kill("SIGKILL"), START_DEADLINE);
    opener.on("close", () => clearTimeout(deadline));
    opener.on("error", reject);
    opener.on("close", (code) => {
      if (code === 0 && sockets.size === 4) return resolve();
      reject(new Error(`the sandbox's network could not be opened (exit ${code}): ${complaint.trim()}`));
    });
  });
  const [tls, plain, dnsTcp] = ["tls", "plain", "dnsTcp"].map((name) => sockets.get(name) as Server);
  const dnsUdp = sockets.get("dnsUdp") as UdpSocket;
  return {
    onTls: (handler) => void tls?.on("connection", handler),
    onPlain: (handler) => void plain?.on("connection", handler),
    onDnsTcp: (handler) => void dnsTcp?.on("connection", handler),
    dnsUdp,
    close() {
      for (const server of [tls, plain, dnsTcp]) server?.close();
      dnsUdp.close();
    },
  };
}
