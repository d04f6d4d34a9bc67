/** The provider's gRPC service: what is the same for every resource type. */
import {
  type handleUnaryCall,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import pluginPb from "@pulumi/pulumi/proto/plugin_pb.js";
import type * as rpc from "@pulumi/pulumi/proto/provider_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import type { Empty } from "google-protobuf/google/protobuf/empty_pb.js";
import emptyPb from "google-protobuf/google/protobuf/empty_pb.js";
import { type CheckFailure, checkInputs } from "./check.ts";
import type { OperationContext, ResourceDefinition, Services } from "./definition.ts";
import { connectEngineLog, type EngineLog, silentLog } from "./engine-log.ts";
import { errorWords } from "./error-words.ts";
import { Operations } from "./operation.ts";
import { diffProperties, type PropertyChange } from "./property-diff.ts";
import {
  decodeProperties,
  encodeProperties,
  hasSecret,
  hasUnknown,
  markLike,
  type PropertyMap,
  type PropertyValue,
  type Revealed,
  reveal,
  secret,
  UNKNOWN,
} from "./property-values.ts";
import { type ProviderConfig, providerConfig, secretProviderConfig } from "./provider-config.ts";
import { packageSchema } from "./schema.ts";

export interface ProviderOptions {
  readonly definitions: readonly ResourceDefinition[];
  readonly services: Services;
  readonly version: string;
  /** The engine's address, when the command line has it. */
  readonly engineAddress?: string;
}

export interface HandrailProvider {
  readonly service: UntypedServiceImplementation;
  /** Ends every operation under way. */
  cancel(): void;
  /** Tells the engine, when there is one. */
  log: EngineLog["log"];
}

/** Keys that the engine adds to a provider's configuration. */
const ENGINE_CONFIG = new Set(["version", "pluginDownloadURL", "__internal"]);

export function createProvider(options: ProviderOptions): HandrailProvider {
  const definitions = new Map(options.definitions.map((item) => [`handrail:index:${item.type}`, item]));
  const operations = new Operations();
  let engineLog = options.engineAddress ? connectEngineLog(options.engineAddress) : silentLog;
  let config: ProviderConfig = {};

  function definitionOf(urn: string): ResourceDefinition {
    const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
    const definition = definitions.get(type);
    if (definition) return definition;
    throw new Failure(
      status.INVALID_ARGUMENT,
      `the provider handrail has no resource type ${type}; it has ${[...definitions.keys()].join(", ")}`,
    );
  }

  /** Runs one operation with its deadline. `custom` is the program's `customTimeouts`, in seconds; 0 for none. */
  function operate<T>(
    kind: keyof ResourceDefinition["deadlines"],
    urn: string,
    custom: number,
    work: (definition: ResourceDefinition, context: OperationContext) => Promise<T>,
  ): Promise<T> {
    const definition = definitionOf(urn);
    const name = urn.split("::").at(-1);
    const seconds = custom > 0 ? custom : definition.deadlines[kind];
    return operations.run(`${kind} of ${definition.type} ${name}`, seconds, (signal) =>
      work(definition, context(urn, signal)),
    );
  }

  const context = (urn: string, signal: AbortSignal): OperationContext => ({
    ...options.services,
    urn,
    config,
    signal,
    log: (severity, message) => void engineLog.log(severity, message, urn),
  });

  const service: UntypedServiceImplementation = {
    handshake: unary<rpc.ProviderHandshakeRequest, rpc.ProviderHandshakeResponse>(async (request) => {
      if (engineLog === silentLog && request.getEngineAddress())
        engineLog = connectEngineLog(request.getEngineAddress());
      const response = new pb.ProviderHandshakeResponse();
      response.setAcceptSecrets(true);
      return response;
    }),

    getPluginInfo: unary<Empty, InstanceType<typeof pluginPb.PluginInfo>>(async () => {
      const info = new pluginPb.PluginInfo();
      info.setVersion(options.version);
      return info;
    }),

    getSchema: unary<rpc.GetSchemaRequest, rpc.GetSchemaResponse>(async () => {
      const response = new pb.GetSchemaResponse();
      response.setSchema(JSON.stringify(packageSchema(options.definitions, options.version)));
      return response;
    }),

    checkConfig: unary<rpc.CheckRequest, rpc.CheckResponse>(async (request) => {
      const news = decodeProperties(request.getNews());
      const known = Object.entries(reveal(news)).filter(([key]) => !ENGINE_CONFIG.has(key));
      return checkResponse(
        markSecrets(news, secretProviderConfig),
        checkInputs(providerConfig, Object.fromEntries(known)),
      );
    }),

    // Another key or address reaches the same objects: nothing is replaced.
    diffConfig: unary<rpc.DiffRequest, rpc.DiffResponse>(async (request) => {
      const before = reveal(decodeProperties(request.getOldInputs() ?? request.getOlds()));
      const after = reveal(decodeProperties(request.getNews()));
      return diffResponse(diffProperties(before, after), { replaceOn: [] });
    }),

    configure: unary<rpc.ConfigureRequest, rpc.ConfigureResponse>(async (request) => {
      const args = reveal(decodeProperties(request.getArgs()));
      // Unknown in a preview of a stack whose provider is configured from another resource: as if it were not given.
      config = Object.fromEntries(
        Object.entries(args).filter(([key, value]) => !ENGINE_CONFIG.has(key) && value !== UNKNOWN),
      ) as ProviderConfig;
      const response = new pb.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      return response;
    }),

    check: unary<rpc.CheckRequest, rpc.CheckResponse>(async (request) => {
      const definition = definitionOf(request.getUrn());
      const news = decodeProperties(request.getNews());
      const failures = checkInputs(definition.inputs, reveal(news));
      if (failures.length > 0) return checkResponse(news, failures);
      const marked = definition.normalize
        ? definition.normalize(news)
        : markSecrets(news, definition.secretInputs ?? []);
      return checkResponse(marked, []);
    }),

    diff: unary<rpc.DiffRequest, rpc.DiffResponse>(async (request) => {
      const definition = definitionOf(request.getUrn());
      const state = reveal(decodeProperties(request.getOlds()));
      const before = reveal(decodeProperties(request.getOldInputs()));
      const after = reveal(decodeProperties(request.getNews()));
      const changes = diffProperties(before, after);
      for (const ignored of request.getIgnorechangesList()) changes.delete(ignored);
      // Beside other changes it goes without saying; the plan would show the output as one that is removed.
      const settled = changes.size > 0 || hasUnknown(after);
      const outdated = settled ? [] : (definition.outdated?.(state, after) ?? []);
      if (changes.size > 0 && definition.explainChange) {
        await definition.explainChange(state, after, context(request.getUrn(), AbortSignal.timeout(60_000)));
      }
      return diffResponse(changes, { ...definition, outdated });
    }),

    create: unary<rpc.CreateRequest, rpc.CreateResponse>(async (request) => {
      const news = decodeProperties(request.getProperties());
      const response = new pb.CreateResponse();
      if (request.getPreview()) {
        const definition = definitionOf(request.getUrn());
        response.setProperties(encodeProperties(previewOf(definition, news, undefined)));
        return response;
      }
      await operate("create", request.getUrn(), request.getTimeout(), async (definition, operation) => {
        const { id, outputs } = await definition.create(reveal(news), operation);
        response.setId(id);
        response.setProperties(encodeProperties(stateOf(definition, news, outputs)));
        response.setRefreshBeforeUpdate(definition.refreshBeforeUpdate ?? false);
      });
      return response;
    }),

    read: unary<rpc.ReadRequest, rpc.ReadResponse>(async (request) => {
      const response = new pb.ReadResponse();
      const inputs = decodeProperties(request.getInputs());
      const state = decodeProperties(request.getProperties());
      const imported = Object.keys(state).length === 0;
      await operate("read", request.getUrn(), request.getTimeout(), async (definition, operation) => {
        const found = await definition.read(request.getId(), imported ? undefined : reveal(state), operation);
        // An empty id is how the protocol says that the object is gone.
        if (found === null) return;
        const marks = { ...state, ...inputs };
        const marked = markSecrets(markLike(found.inputs, marks) as PropertyMap, definition.secretInputs ?? []);
        const read = definition.normalize ? definition.normalize(marked) : marked;
        response.setId(request.getId());
        response.setInputs(encodeProperties(read));
        response.setProperties(encodeProperties(stateOf(definition, read, found.outputs)));
        response.setRefreshBeforeUpdate(definition.refreshBeforeUpdate ?? false);
      });
      return response;
    }),

    update: unary<rpc.UpdateRequest, rpc.UpdateResponse>(async (request) => {
      const news = decodeProperties(request.getNews());
      const state = reveal(decodeProperties(request.getOlds()));
      const response = new pb.UpdateResponse();
      if (request.getPreview()) {
        const definition = definitionOf(request.getUrn());
        response.setProperties(encodeProperties(previewOf(definition, news, state)));
        return response;
      }
      await operate("update", request.getUrn(), request.getTimeout(), async (definition, operation) => {
        const outputs = await definition.update(request.getId(), state, reveal(news), operation);
        response.setProperties(encodeProperties(stateOf(definition, news, outputs)));
        response.setRefreshBeforeUpdate(definition.refreshBeforeUpdate ?? false);
      });
      return response;
    }),

    delete: unary<rpc.DeleteRequest, Empty>(async (request) => {
      const state = reveal(decodeProperties(request.getProperties()));
      await operate("delete", request.getUrn(), request.getTimeout(), (definition, operation) =>
        definition.delete(request.getId(), state, operation),
      );
      return new emptyPb.Empty();
    }),

    cancel: unary<Empty, Empty>(async () => {
      operations.cancel();
      return new emptyPb.Empty();
    }),
  };

  return {
    service,
    cancel: () => operations.cancel(),
    log: (severity, message, urn) => engineLog.log(severity, message, urn),
  };
}

/** An error whose words go to the user. */
class Failure extends Error {
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

function unary<Request, Response>(work: (request: Request) => Promise<Response>): handleUnaryCall<Request, Response> {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    work(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => {
        const code = error instanceof Failure ? error.code : status.UNKNOWN;
        callback({ code, details: errorWords(error) });
      },
    );
  };
}

function checkResponse(inputs: PropertyMap, failures: readonly CheckFailure[]): rpc.CheckResponse {
  const response = new pb.CheckResponse();
  response.setInputs(encodeProperties(inputs));
  for (const { property, reason } of failures) {
    const failure = new pb.CheckFailure();
    failure.setProperty(property);
    failure.setReason(reason);
    response.addFailures(failure);
  }
  return response;
}

function diffResponse(
  changes: ReadonlyMap<string, PropertyChange>,
  o: { replaceOn: readonly string[]; deleteBeforeReplace?: "always" | "unchanged"; outdated?: readonly string[] },
): rpc.DiffResponse {
  const response = new pb.DiffResponse();
  const { Kind } = pb.PropertyDiff;
  const kinds = {
    add: [Kind.ADD, Kind.ADD_REPLACE],
    delete: [Kind.DELETE, Kind.DELETE_REPLACE],
    update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
  } as const;
  const replaces = new Set<string>();
  const changed = new Set<string>(o.outdated);
  for (const [path, { kind, property }] of changes) {
    const replace = o.replaceOn.includes(property);
    const detail = new pb.PropertyDiff();
    detail.setKind(kinds[kind][replace ? 1 : 0]);
    detail.setInputdiff(true);
    response.getDetaileddiffMap().set(path, detail);
    changed.add(property);
    if (replace) replaces.add(property);
  }
  for (const output of o.outdated ?? []) {
    const detail = new pb.PropertyDiff();
    detail.setKind(Kind.UPDATE);
    response.getDetaileddiffMap().set(output, detail);
  }
  const { DiffChanges } = pb.DiffResponse;
  response.setChanges(changed.size > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE);
  response.setDiffsList([...changed]);
  response.setReplacesList([...replaces]);
  response.setHasdetaileddiff(true);
  response.setDeletebeforereplace(
    o.deleteBeforeReplace === "always" || (o.deleteBeforeReplace === "unchanged" && replaces.size === 0),
  );
  return response;
}

/** What the state holds: the inputs and what the resource has beyond them, secret where the inputs are. */
function stateOf(definition: ResourceDefinition, inputs: PropertyMap, outputs: Revealed): Revealed {
  return { ...markSecrets(inputs, definition.secretInputs ?? []), ...outputs };
}

function previewOf(definition: ResourceDefinition, inputs: PropertyMap, state: Revealed | undefined): Revealed {
  const certain = definition.preview(reveal(inputs), state);
  const outputs = Object.keys(definition.outputs.shape).map((key) => [key, key in certain ? certain[key] : UNKNOWN]);
  return { ...inputs, ...Object.fromEntries(outputs) };
}

function markSecrets(map: PropertyMap, names: readonly string[]): PropertyMap {
  const marked: PropertyMap = { ...map };
  for (const name of names) {
    const value: PropertyValue | undefined = marked[name];
    // A value below which something is marked already was placed there on purpose (see normalize).
    if (value !== undefined && !hasSecret(value)) marked[name] = secret(value);
  }
  return marked;
}
