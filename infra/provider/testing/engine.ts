/** The part of Pulumi's engine that a provider talks to: its log. */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb.js";
import enginePb from "@pulumi/pulumi/proto/engine_pb.js";
import type { Empty } from "google-protobuf/google/protobuf/empty_pb.js";
import emptyPb from "google-protobuf/google/protobuf/empty_pb.js";

/** One line that a provider logged. */
export interface LoggedLine {
  readonly severity: string;
  readonly message: string;
  readonly urn: string;
}

/** Starts an engine that keeps what is logged. */
export async function startTestEngine(): Promise<{
  address: string;
  /** Resolves with the next line that was not taken yet. */
  nextLine(): Promise<LoggedLine>;
  close(): void;
}> {
  const lines: LoggedLine[] = [];
  const waiting: ((line: LoggedLine) => void)[] = [];
  const server = new Server();
  server.addService(engineGrpc.EngineService, {
    log(call: ServerUnaryCall<LogRequest, Empty>, callback: sendUnaryData<Empty>) {
      const { request } = call;
      const severities = Object.entries(enginePb.LogSeverity);
      const severity = severities.find(([, value]) => value === request.getSeverity())?.[0].toLowerCase() ?? "";
      const line = { severity, message: request.getMessage(), urn: request.getUrn() };
      const taker = waiting.shift();
      if (taker) taker(line);
      else lines.push(line);
      callback(null, new emptyPb.Empty());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    nextLine: () => {
      const line = lines.shift();
      return line ? Promise.resolve(line) : new Promise((resolve) => waiting.push(resolve));
    },
    close: () => server.forceShutdown(),
  };
}
