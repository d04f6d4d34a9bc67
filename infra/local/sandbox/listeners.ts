/**
 * Opens the firewall's sockets inside a sandbox's network namespace, hands them to the parent over its IPC channel and
 * ends: `node listeners.ts <address>`, started by `network.ts` through nsenter, with the host's files and processes.
 * No process of ours stays near the guest; the sockets live in the parent.
 */
import { createSocket, type Socket } from "node:dgram";
import { createServer, type Server } from "node:net";

const address = process.argv[2] ?? "";

function give(name: string, handle: Server | Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(name, handle, {}, (error) => (error ? reject(error) : resolve()));
  });
}

for (const [name, port] of [
  ["tls", 443],
  ["plain", 80],
  ["dnsTcp", 53],
] as const) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  await give(name, server);
}
const dns = createSocket("udp4");
await new Promise<void>((resolve) => dns.bind(53, address, resolve));
await give("dnsUdp", dns);
// The sockets would keep this process; the parent has its own descriptors of them by now.
process.exit(0);
