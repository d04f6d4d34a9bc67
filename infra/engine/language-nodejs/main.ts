/**
 * The Node.js language host: the process that the Pulumi engine starts as `pulumi-language-nodejs <engine address>`
 * to run a program. Pulumi ships one with its download but does not publish it as a module, so set-up places this one
 * beside an engine that it had to build.
 *
 * It prints its port as the first line of standard output, as the engine's plugin protocol wants, and lives exactly as
 * long as the engine: the engine holds the other end of standard input.
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import languageGrpc from "@pulumi/pulumi/proto/language_grpc_pb.js";
import { Children } from "./children.ts";
import { languageRuntime } from "./runtime.ts";

/** As large as the SDK allows itself: configuration and plugin output have no useful bound below it. */
const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;

const engineAddress = process.argv.at(-1);
if (process.argv.length < 3 || !engineAddress?.includes(":")) {
  console.error("usage: pulumi-language-nodejs <engine address>   (the Pulumi engine starts it)");
  process.exit(2);
}

const children = new Children(process.execPath);
const server = new Server({
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
});

async function leave(code: number): Promise<never> {
  await children.stopAll();
  process.exit(code);
}
process.stdin.on("close", () => leave(0)).resume();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => leave(0));
// Nobody reads our output any more: the engine is gone.
process.stdout.on("error", () => leave(1));
process.on("uncaughtException", (error) => {
  console.error(error);
  void leave(1);
});

server.addService(languageGrpc.LanguageRuntimeService, languageRuntime({ children, engineAddress }));
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    console.error(`the language host cannot listen on 127.0.0.1: ${error.message}`);
    process.exit(1);
  }
  process.stdout.write(`${port}\n`);
});
