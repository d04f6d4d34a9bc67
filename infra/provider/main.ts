/**
 * The provider's process, started by the Pulumi engine. Prints its port as the first line of standard output, as the
 * plugin protocol wants, and lives exactly as long as the engine, which holds the other end of standard input.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import packageJson from "../../package.json" with { type: "json" };
import { definitions } from "./definitions.ts";
import { createProvider } from "./server.ts";

/** As large as the SDK allows itself. */
const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;
/** How long a dying provider tries to tell the engine why, in ms. */
const LAST_WORDS_MS = 1000;

const provider = createProvider({
  definitions,
  version: packageJson.version,
  engineAddress: process.argv.slice(2).find((arg) => !arg.startsWith("-")),
  services: {
    fetch,
    now: Date.now,
    sleep: (ms, signal) => delay(ms, undefined, { signal }),
    randomId: () => randomBytes(16).toString("hex"),
    projectDir: process.cwd(),
  },
});

// The engine is gone: whatever is under way cannot be recorded any more, and the next create adopts it.
const leave = () => {
  provider.cancel();
  process.exit(0);
};
process.stdin.on("close", leave).on("error", leave).resume();
process.stdout.on("error", leave);
// The engine's way of ending a plugin, which has a process group of its own: a terminal's Ctrl-C does not come here.
// It waits five seconds for whoever does not react.
process.on("SIGINT", leave);
process.on("SIGTERM", leave);

// A provider that goes on after this would leave the engine waiting for ever for an answer that nobody gives.
const crash = async (error: unknown) => {
  const words = `the handrail provider failed and ends: ${error instanceof Error ? (error.stack ?? error.message) : error}`;
  process.stderr.write(`${words}\n`);
  await Promise.race([provider.log("error", words), delay(LAST_WORDS_MS)]);
  process.exit(1);
};
process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);

const server = new Server({
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
});
server.addService(providerGrpc.ResourceProviderService, provider.service);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    process.stderr.write(`the handrail provider cannot listen on 127.0.0.1: ${error.message}\n`);
    process.exit(1);
  }
  process.stdout.write(`${port}\n`);
});
