/** A small HTTP server on loopback for tests, which records what it was asked. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** One request as it came in. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** Parsed when it is JSON, else undefined. */
  readonly body: unknown;
}

/** What to answer: a body that is sent as JSON, or bytes. "cut" breaks the connection after the call took effect. */
export type Reply = { status: number; body?: unknown; headers?: Record<string, string> } | "cut";

/** A running server. */
export interface TestServer {
  readonly url: string;
  readonly calls: Call[];
  /** Method and path of all calls, in order. */
  trace(): string[];
  /** Answers instead of the handler while it returns something. `handle` runs the real one. */
  fault: ((call: Call, handle: () => Reply) => Reply | undefined) | undefined;
  close(): Promise<void>;
}

/** Starts a server on a free port of loopback. */
export async function startServer(handle: (call: Call) => Reply): Promise<TestServer> {
  const calls: Call[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const url = new URL(request.url ?? "/", "http://localhost");
    const text = Buffer.concat(chunks).toString("utf8");
    const call: Call = {
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: text.startsWith("{") ? JSON.parse(text) : undefined,
    };
    calls.push(call);
    const reply = result.fault?.(call, () => handle(call)) ?? handle(call);
    if (reply === "cut") return void request.socket.destroy();
    const bytes = reply.body instanceof Uint8Array;
    response.writeHead(reply.status, {
      "content-type": bytes ? "application/octet-stream" : "application/json",
      ...reply.headers,
    });
    response.end(bytes ? reply.body : JSON.stringify(reply.body ?? null));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const result: TestServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    trace: () => calls.map(({ method, path }) => `${method} ${path}`),
    fault: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return result;
}
