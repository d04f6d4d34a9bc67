/** What the tests of this folder share: the plugin as the engine starts it, and the wire that it talks on. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import structPb from "google-protobuf/google/protobuf/struct_pb.js";
import { request } from "undici";
import { onTestFinished } from "vitest";
import { createAuthority } from "../authority.ts";
import { createConnectProxy } from "../vercel/connect-proxy.ts";

/** A request as the traces describe it. */
export interface WireCall {
  method: string;
  path: string;
  query?: string;
  digest?: string;
  body?: unknown;
  status: number;
}

export type Values = Record<string, unknown>;

const SIGNATURE = "4dabf18193072939515e22adb298388d";
export const secret = (value: unknown) => ({ [SIGNATURE]: "1b47061264138c4ac30d75fd1eb44270", value });

/** A proxy for the plugin that notes every request and lets `apiUrl` answer it. */
export async function recordWire(apiUrl: string): Promise<{ env: Record<string, string>; calls: WireCall[] }> {
  const calls: WireCall[] = [];
  const recorder = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const { pathname, search } = new URL(incoming.url ?? "/", apiUrl);
    const digest = incoming.headers["x-vercel-digest"];
    const call: WireCall = { method: incoming.method ?? "", path: pathname, status: 0 };
    if (search) call.query = search;
    if (digest) call.digest = String(digest);
    if (bytes.length > 0) call.body = readBody(bytes);
    calls.push(call);
    const { connection: _, "transfer-encoding": __, ...headers } = incoming.headers;
    const method = incoming.method as "GET";
    const answer = await request(apiUrl + incoming.url, { method, headers, body: bytes.length > 0 ? bytes : null });
    call.status = answer.statusCode;
    response.writeHead(answer.statusCode, { "content-type": "application/json" }).end(await answer.body.text());
  });
  const authority = await createAuthority();
  const proxy = await createConnectProxy({ hosts: { "api.vercel.com": recorder }, authority });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const folder = await mkdtemp(join(tmpdir(), "wire-"));
  const caFile = join(folder, "ca.pem");
  await writeFile(caFile, authority.caPem);
  onTestFinished(async () => {
    proxy.close();
    proxy.closeAllConnections();
    recorder.closeAllConnections();
    await rm(folder, { recursive: true });
  });
  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  return { env: { HTTPS_PROXY: proxyUrl, SSL_CERT_FILE: caFile }, calls };
}

function readBody(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return `<${bytes.length} bytes>`;
  }
}

/** The plugin in its own process, spoken to as the engine does. */
export class Plugin {
  readonly process: ChildProcess;
  readonly #client: InstanceType<typeof providerGrpc.ResourceProviderClient>;

  private constructor(process: ChildProcess, port: string) {
    this.process = process;
    this.#client = new providerGrpc.ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure());
  }

  static async start(env: Record<string, string>, cwd = tmpdir()): Promise<Plugin> {
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const child = spawn(process.execPath, [main], { env, cwd, stdio: ["pipe", "pipe", "inherit"] });
    const [port] = await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
    const plugin = new Plugin(child, port);
    onTestFinished(() => plugin.close());
    return plugin;
  }

  async close(): Promise<void> {
    this.#client.close();
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, "exit");
    this.process.kill();
    await exited;
  }

  async configure(args: Values): Promise<void> {
    await this.#call("configure", new pb.ConfigureRequest().setArgs(struct(args)).setAcceptsecrets(true));
  }

  async check(type: string, news: Values, olds: Values = {}) {
    const request = new pb.CheckRequest().setUrn(urn(type)).setNews(struct(news)).setOlds(struct(olds));
    request.setRandomseed(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
    const response = await this.#call<InstanceType<typeof pb.CheckResponse>>("check", request);
    const failures = response.getFailuresList().map((one) => `${one.getProperty()}: ${one.getReason()}`);
    return { inputs: values(response.getInputs()), failures };
  }

  async diff(type: string, oldInputs: Values, news: Values) {
    const request = new pb.DiffRequest().setUrn(urn(type)).setId("x").setOlds(struct(oldInputs));
    request.setOldInputs(struct(oldInputs)).setNews(struct(news));
    const response = await this.#call<InstanceType<typeof pb.DiffResponse>>("diff", request);
    const kinds = Object.entries(pb.PropertyDiff.Kind);
    const detailed = response.getDetaileddiffMap().toArray() as unknown as [string, unknown][];
    return {
      replaces: response.getReplacesList(),
      detailed: Object.fromEntries(
        detailed.map(([path]) => {
          const kind = response.getDetaileddiffMap().get(path)?.getKind();
          return [path, kinds.find(([, value]) => value === kind)?.[0]];
        }),
      ),
    };
  }

  async create(type: string, inputs: Values, preview = false) {
    const request = new pb.CreateRequest().setUrn(urn(type)).setProperties(struct(inputs)).setPreview(preview);
    const response = await this.#call<InstanceType<typeof pb.CreateResponse>>("create", request);
    return { id: response.getId(), outputs: values(response.getProperties()) };
  }

  async read(type: string, id: string, state: Values = {}, inputs: Values = {}) {
    const request = new pb.ReadRequest().setUrn(urn(type)).setId(id);
    request.setProperties(struct(state)).setInputs(struct(inputs));
    const response = await this.#call<InstanceType<typeof pb.ReadResponse>>("read", request);
    const [outputs, read] = [values(response.getProperties()), values(response.getInputs())];
    return { id: response.getId(), outputs, inputs: read };
  }

  async update(type: string, id: string, olds: Values, news: Values) {
    const request = new pb.UpdateRequest().setUrn(urn(type)).setId(id).setOlds(struct(olds)).setNews(struct(news));
    const response = await this.#call<InstanceType<typeof pb.UpdateResponse>>("update", request);
    return values(response.getProperties());
  }

  async delete(type: string, id: string, state: Values): Promise<void> {
    await this.#call("delete", new pb.DeleteRequest().setUrn(urn(type)).setId(id).setProperties(struct(state)));
  }

  async invoke(token: string, args: Values): Promise<Values> {
    const request = new pb.InvokeRequest().setTok(token).setArgs(struct(args));
    return values((await this.#call<InstanceType<typeof pb.InvokeResponse>>("invoke", request)).getReturn());
  }

  #call<Response = unknown>(method: string, message: unknown): Promise<Response> {
    const client = this.#client as unknown as Record<
      string,
      (message: unknown, callback: (error: ServiceError | null, response: Response) => void) => void
    >;
    const call = client[method];
    if (!call) throw new Error(`no method ${method}`);
    return promisify(call.bind(client) as (message: unknown, done: (e: unknown, r: Response) => void) => void)(message);
  }
}

/** Lays files out below a new folder, which is removed when the test ends. */
export async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "prebuilt-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

function urn(type: string): string {
  return `urn:pulumi:local::handrail::${type}::it`;
}

function struct(properties: Values) {
  return structPb.Struct.fromJavaScript(properties as Parameters<typeof structPb.Struct.fromJavaScript>[0]);
}

function values(message: InstanceType<typeof structPb.Struct> | undefined): Values {
  return message?.toJavaScript() ?? {};
}
