#!/usr/bin/env node
/** The plugin `pulumi-resource-vercel` of the local cloud: prints its port, as the engine expects, and serves. */
import { fstatSync } from "node:fs";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import { createProvider } from "./provider.ts";

/** The engine's limit for a message: states and schemas grow beyond gRPC's default of 4 MB. */
const MESSAGE_LIMIT = 400 * 1024 * 1024;

const PARENT_CHECK_MS = 500;

// Answering no call any more is better than answering wrong ones: the engine reports a plugin that ended, at once.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error) => {
    console.error(error);
    process.exit(1);
  });
}

const server = new Server({
  "grpc.max_receive_message_length": MESSAGE_LIMIT,
  "grpc.max_send_message_length": MESSAGE_LIMIT,
});
server.addService(providerGrpc.ResourceProviderService, createProvider(process.env));
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`${port}\n`);
});
exitWithEngine();

/** A killed engine tells nobody: its end of stdin closes, or this process gets another parent. */
function exitWithEngine(): void {
  const stdin = fstatSync(0, { throwIfNoEntry: false });
  if (stdin?.isFIFO() || stdin?.isSocket()) process.stdin.on("end", () => process.exit()).resume();
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit();
  }, PARENT_CHECK_MS).unref();
}
