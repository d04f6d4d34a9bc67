import { Socket } from "node:net";

/**
 * Preloaded into every process that the language host starts. Descriptor 3 is a pipe that the host holds open: when it
 * ends, the host is gone (killed, crashed), nobody reads what this process reports, and a program that went on would
 * register resources for an engine that has already given up on it.
 */
const host = new Socket({ fd: 3, readable: true, writable: false });
host.on("error", () => process.exit(1));
host.on("close", () => process.exit(1));
host.resume();
host.unref();
