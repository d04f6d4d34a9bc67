/** Drives the provider as the engine does, over gRPC. */
import { credentials, Server, ServerCredentials, type ServiceError } from "@grpc/grpc-js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import type * as rpc from "@pulumi/pulumi/proto/provider_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import emptyPb from "google-protobuf/google/protobuf/empty_pb.js";
import type { ResourceDefinition, Services } from "../definition.ts";
import { decodeProperties, encodeProperties, type PropertyMap } from "../property-values.ts";
import { createProvider } from "../server.ts";

type Message = Record<string, unknown>;

/** URN of a resource of the stack `test`. */
export function urnOf(type: string, name = "subject"): string {
  return `urn:pulumi:test::handrail::handrail:index:${type}::${name}`;
}

export class ProviderClient {
  readonly #client: InstanceType<typeof providerGrpc.ResourceProviderClient>;

  constructor(address: string) {
    this.#client = new providerGrpc.ResourceProviderClient(address, credentials.createInsecure());
  }

  #call<Response>(method: string, request: unknown): Promise<Response> {
    const client = this.#client as unknown as Record<
      string,
      (request: unknown, callback: (error: ServiceError | null, response: Response) => void) => void
    >;
    return new Promise((resolve, reject) => {
      client[method]?.bind(client)(request, (error, response) => (error ? reject(error) : resolve(response)));
    });
  }

  async configure(config: Message): Promise<void> {
    const request = new pb.ConfigureRequest();
    request.setArgs(encodeProperties(config));
    request.setAcceptsecrets(true);
    await this.#call("configure", request);
  }

  async schema(): Promise<{ resources: Record<string, Record<string, unknown>>; config: Message }> {
    const response = await this.#call<rpc.GetSchemaResponse>("getSchema", new pb.GetSchemaRequest());
    return JSON.parse(response.getSchema());
  }

  checkConfig(news: Message) {
    return this.#check("checkConfig", "urn:pulumi:test::handrail::pulumi:providers:handrail::default", news);
  }

  check(urn: string, news: Message) {
    return this.#check("check", urn, news);
  }

  async #check(method: string, urn: string, news: Message) {
    const request = new pb.CheckRequest();
    request.setUrn(urn);
    request.setNews(encodeProperties(news));
    const response = await this.#call<rpc.CheckResponse>(method, request);
    const failures = response.getFailuresList().map((item) => `${item.getProperty()}: ${item.getReason()}`);
    return { failures, inputs: decodeProperties(response.getInputs()) };
  }

  async diff(urn: string, o: { id: string; state: Message; before: Message; after: Message }) {
    const request = new pb.DiffRequest();
    request.setUrn(urn);
    request.setId(o.id);
    request.setOlds(encodeProperties(o.state));
    request.setOldInputs(encodeProperties(o.before));
    request.setNews(encodeProperties(o.after));
    const response = await this.#call<rpc.DiffResponse>("diff", request);
    const kinds = Object.entries(pb.PropertyDiff.Kind);
    return {
      changes: response.getChanges() === pb.DiffResponse.DiffChanges.DIFF_SOME,
      replaces: response.getReplacesList(),
      deleteBeforeReplace: response.getDeletebeforereplace(),
      details: Object.fromEntries(
        response
          .getDetaileddiffMap()
          .getEntryList()
          .map(([path]) => [
            path,
            kinds.find(([, kind]) => kind === response.getDetaileddiffMap().get(path)?.getKind())?.[0].toLowerCase(),
          ]),
      ),
    };
  }

  async create(urn: string, inputs: Message, o: { preview?: boolean; timeout?: number } = {}) {
    const request = new pb.CreateRequest();
    request.setUrn(urn);
    request.setProperties(encodeProperties(inputs));
    request.setPreview(o.preview ?? false);
    request.setTimeout(o.timeout ?? 0);
    const response = await this.#call<rpc.CreateResponse>("create", request);
    return { id: response.getId(), state: decodeProperties(response.getProperties()) };
  }

  /** Null when the object is gone. */
  async read(urn: string, id: string, state: Message = {}, inputs: Message = {}) {
    const request = new pb.ReadRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setProperties(encodeProperties(state));
    request.setInputs(encodeProperties(inputs));
    const response = await this.#call<rpc.ReadResponse>("read", request);
    if (response.getId() === "") return null;
    return { inputs: decodeProperties(response.getInputs()), state: decodeProperties(response.getProperties()) };
  }

  async update(
    urn: string,
    o: { id: string; state: Message; after: Message; preview?: boolean },
  ): Promise<PropertyMap> {
    const request = new pb.UpdateRequest();
    request.setUrn(urn);
    request.setId(o.id);
    request.setOlds(encodeProperties(o.state));
    request.setNews(encodeProperties(o.after));
    request.setPreview(o.preview ?? false);
    const response = await this.#call<rpc.UpdateResponse>("update", request);
    return decodeProperties(response.getProperties());
  }

  async delete(urn: string, id: string, state: Message): Promise<void> {
    const request = new pb.DeleteRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setProperties(encodeProperties(state));
    await this.#call("delete", request);
  }

  async cancel(): Promise<void> {
    await this.#call("cancel", new emptyPb.Empty());
  }

  close(): void {
    this.#client.close();
  }
}

/** A provider in this process, and a client of it. */
export async function startTestProvider(
  definitions: readonly ResourceDefinition[],
  services: Partial<Services> = {},
  engineAddress?: string,
): Promise<{ client: ProviderClient; close(): void }> {
  let ids = 0;
  const provider = createProvider({
    definitions,
    version: "1.2.3",
    ...(engineAddress !== undefined && { engineAddress }),
    services: {
      fetch,
      now: Date.now,
      sleep: async (_, signal) => signal.throwIfAborted(),
      randomId: () => (++ids).toString(16).padStart(32, "0"),
      projectDir: process.cwd(),
      ...services,
    },
  });
  const server = new Server();
  server.addService(providerGrpc.ResourceProviderService, provider.service);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new ProviderClient(`127.0.0.1:${port}`);
  return {
    client,
    close: () => {
      client.close();
      server.forceShutdown();
    },
  };
}
