/** Lines in Pulumi's own output, under the resource that they are about. */
import { credentials, Metadata } from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import enginePb from "@pulumi/pulumi/proto/engine_pb.js";
import type { Severity } from "./definition.ts";

export interface EngineLog {
  /** Resolves when the engine has the line; never rejects, a lost line must not fail an operation. */
  log(severity: Severity, message: string, urn?: string): Promise<void>;
  close(): void;
}

const { LogSeverity } = enginePb;
const SEVERITY = {
  debug: LogSeverity.DEBUG,
  info: LogSeverity.INFO,
  warning: LogSeverity.WARNING,
  error: LogSeverity.ERROR,
} as const;

/** @param address the engine's gRPC address, `host:port`. */
export function connectEngineLog(address: string): EngineLog {
  const client = new engineGrpc.EngineClient(address, credentials.createInsecure());
  return {
    log(severity, message, urn) {
      const request = new enginePb.LogRequest();
      request.setSeverity(SEVERITY[severity]);
      request.setMessage(message);
      if (urn !== undefined) request.setUrn(urn);
      return new Promise((resolve) => {
        client.log(request, new Metadata(), { deadline: Date.now() + 5000 }, () => resolve());
      });
    },
    close: () => client.close(),
  };
}

/** Where nobody listens: a provider that was started by hand. */
export const silentLog: EngineLog = { log: async () => {}, close: () => {} };
