/** The methods of a Pulumi resource provider, over the resource types of this folder. */

import type * as grpc from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import pluginPb from "@pulumi/pulumi/proto/plugin_pb.js";
import type { IResourceProviderServer } from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import emptyPb from "google-protobuf/google/protobuf/empty_pb.js";
import { z } from "zod";
import { deployment } from "./deployment.ts";
import { diff } from "./diff.ts";
import { environmentVariable } from "./environment-variable.ts";
import { getPrebuiltProject } from "./prebuilt-project.ts";
import { project } from "./project.ts";
import { decode, encode, hasUnknown, type Properties, UNKNOWN } from "./properties.ts";
import { protectionBypass } from "./protection-bypass.ts";
import type { Resource } from "./resource.ts";
import { createVercelClient, type VercelClient } from "./vercel-client.ts";

/** Version of `@pulumiverse/vercel` that this stands in for. */
export const VERSION = "5.4.1";

const RESOURCES: Record<string, Resource> = {
  "vercel:index/project:Project": project,
  "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable": environmentVariable,
  "vercel:index/deployment:Deployment": deployment,
  "vercel:index/projectProtectionBypass:ProjectProtectionBypass": protectionBypass,
};

const INVOKES: Record<string, (args: Properties) => Promise<Properties>> = {
  "vercel:index/getPrebuiltProject:getPrebuiltProject": getPrebuiltProject,
};

/** A substring, as in the plugin, whose message claims hex. */
const TOKEN = /[0-9a-zA-Z]{24}/;

/** @param env of the process, for the token, the proxy and the trust store. */
export function createProvider(env: NodeJS.ProcessEnv): grpc.UntypedServiceImplementation {
  let configured: VercelClient | undefined;
  const client = (): VercelClient => {
    if (!configured) throw new Error("the engine has not configured the vercel provider");
    return configured;
  };

  const methods: Partial<IResourceProviderServer> = {
    handshake: unary(async () =>
      new pb.ProviderHandshakeResponse().setAcceptSecrets(true).setAcceptResources(false).setAcceptOutputs(false),
    ),
    getPluginInfo: unary(async () => new pluginPb.PluginInfo().setVersion(VERSION)),
    getSchema: unary(async () =>
      new pb.GetSchemaResponse().setSchema(JSON.stringify({ name: "vercel", version: VERSION })),
    ),
    checkConfig: unary(async (request: InstanceType<typeof pb.CheckRequest>) => {
      const response = new pb.CheckResponse().setInputs(request.getNews());
      const { apiToken } = decode(request.getNews()).properties;
      const wrong = tokenProblem(apiToken ?? env.VERCEL_API_TOKEN);
      if (wrong) response.addFailures(failure("apiToken", wrong));
      return response;
    }),
    diffConfig: unary(async (request: InstanceType<typeof pb.DiffRequest>) => {
      const [olds, news] = [decode(request.getOldInputs()), decode(request.getNews())];
      const changes = diff(olds.properties, news.properties, () => false);
      return diffResponse(changes, []);
    }),
    configure: unary(async (request: InstanceType<typeof pb.ConfigureRequest>) => {
      const { apiToken, team } = decode(request.getArgs()).properties;
      const token = String(apiToken ?? env.VERCEL_API_TOKEN ?? "");
      const wrong = tokenProblem(token);
      if (wrong) throw new Error(wrong);
      configured = createVercelClient(token, undefined, env, VERSION);
      if (team !== undefined && team !== "" && !hasUnknown(team)) {
        const { id } = await configured.call<{ id: string }>("GET", `/v2/teams/${team}`);
        configured = createVercelClient(token, id, env, VERSION);
      }
      return new pb.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
    }),

    check: unary(async (request: InstanceType<typeof pb.CheckRequest>) => {
      const resource = resourceOf(request.getUrn());
      const { properties: news, secrets } = decode(request.getNews());
      const failures = shapeFailures(resource, news);
      let inputs = news;
      if (failures.length === 0 && resource.check) {
        const checked = await resource.check(news, {
          name: request.getUrn().split("::").at(-1) ?? "",
          olds: decode(request.getOlds()).properties,
          seed: request.getRandomseed_asU8(),
          client: client(),
        });
        inputs = checked.inputs;
        for (const [property, reason] of Object.entries(checked.failures ?? {})) {
          failures.push(failure(property, reason));
        }
      }
      return new pb.CheckResponse().setInputs(encode(inputs, secrets)).setFailuresList(failures);
    }),
    diff: unary(async (request: InstanceType<typeof pb.DiffRequest>) => {
      const resource = resourceOf(request.getUrn());
      const olds = decode(request.hasOldInputs() ? request.getOldInputs() : request.getOlds());
      const news = decode(request.getNews());
      const ignored = request.getIgnorechangesList();
      const changes = diff(olds.properties, news.properties, resource.replaces, ignored);
      return diffResponse(changes, resource.stable);
    }),
    create: unary(async (request: InstanceType<typeof pb.CreateRequest>) => {
      const resource = resourceOf(request.getUrn());
      const { properties: inputs, secrets } = decode(request.getProperties());
      const all = new Set([...secrets, ...resource.secrets]);
      if (request.getPreview()) {
        return new pb.CreateResponse().setProperties(encode(resource.preview(inputs, client()), all));
      }
      const { id, outputs } = await resource.create(inputs, client());
      return new pb.CreateResponse().setId(id).setProperties(encode({ ...outputs, id }, all));
    }),
    read: unary(async (request: InstanceType<typeof pb.ReadRequest>) => {
      const resource = resourceOf(request.getUrn());
      const { id: _, ...state } = decode(request.getProperties()).properties;
      const inputs = decode(request.getInputs());
      const found = await resource.read(request.getId(), state, client());
      // An empty id tells the engine that the resource is gone.
      if (!found) return new pb.ReadResponse();
      const secrets = new Set([...decode(request.getProperties()).secrets, ...inputs.secrets, ...resource.secrets]);
      const { id, outputs } = found;
      const wanted = request.hasInputs() && Object.keys(inputs.properties).length > 0;
      const names = wanted ? Object.keys(inputs.properties) : Object.keys(resource.inputs);
      const read = Object.fromEntries(names.map((name) => [name, outputs[name]]));
      return new pb.ReadResponse()
        .setId(id)
        .setInputs(encode(read, secrets))
        .setProperties(encode({ ...outputs, id }, secrets));
    }),
    update: unary(async (request: InstanceType<typeof pb.UpdateRequest>) => {
      const resource = resourceOf(request.getUrn());
      const olds = decode(request.getOlds()).properties;
      const { properties: inputs, secrets } = decode(request.getNews());
      const all = new Set([...secrets, ...resource.secrets]);
      const id = request.getId();
      if (request.getPreview()) {
        const kept = Object.fromEntries(resource.stable.map((name) => [name, olds[name]]));
        const outputs = { ...resource.preview(inputs, client()), ...kept, id };
        return new pb.UpdateResponse().setProperties(encode(outputs, all));
      }
      if (!resource.update) throw new Error(`${request.getUrn()} cannot be updated in place`);
      const outputs = await resource.update(id, inputs, olds, client());
      return new pb.UpdateResponse().setProperties(encode({ ...outputs, id }, all));
    }),
    delete: unary(async (request: InstanceType<typeof pb.DeleteRequest>) => {
      const state = decode(request.getProperties()).properties;
      await resourceOf(request.getUrn()).delete(request.getId(), state, client());
      return new emptyPb.Empty();
    }),

    invoke: unary(async (request: InstanceType<typeof pb.InvokeRequest>) => {
      const invoke = INVOKES[request.getTok()];
      if (!invoke) throw new Error(`the stand-in for the vercel provider has no function ${request.getTok()}`);
      const { properties, secrets } = decode(request.getArgs());
      const result = await invoke(properties);
      const all = secrets.size > 0 ? new Set(Object.keys(result)) : secrets;
      return new pb.InvokeResponse().setReturn(encode(result, all));
    }),
    // The engine cancels on every exit. Calls under way must end by themselves, or what they made would be forgotten.
    cancel: unary(async () => new emptyPb.Empty()),
    attach: unary(async () => new emptyPb.Empty()),
  };
  return methods as grpc.UntypedServiceImplementation;
}

function unary<Request, Response>(
  method: (request: Request) => Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    method(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => {
        const details =
          error instanceof z.ZodError ? z.prettifyError(error) : String((error as Error).message ?? error);
        callback({ code: status.UNKNOWN, details });
      },
    );
  };
}

function resourceOf(urn: string): Resource {
  const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
  const resource = RESOURCES[type];
  if (!resource) throw new Error(`the stand-in for the vercel provider has no resource type ${type}`);
  return resource;
}

function shapeFailures(resource: Resource, inputs: Properties): InstanceType<typeof pb.CheckFailure>[] {
  const failures: InstanceType<typeof pb.CheckFailure>[] = [];
  for (const name of Object.keys(inputs)) {
    if (!(name in resource.inputs) && !name.startsWith("__")) {
      failures.push(failure(name, "the stand-in for the vercel provider does not know this property"));
    }
  }
  for (const [name, shape] of Object.entries(resource.inputs)) {
    // What is not known yet is checked when it is; null is how a program may say "unset".
    if (hasUnknown(inputs[name])) continue;
    const result = z.safeParse(shape, inputs[name] ?? undefined);
    for (const issue of result.error?.issues ?? []) {
      const reason = inputs[name] == null ? "is required" : issue.message;
      failures.push(failure([name, ...issue.path].join("."), reason));
    }
  }
  return failures;
}

function failure(property: string, reason: string): InstanceType<typeof pb.CheckFailure> {
  return new pb.CheckFailure().setProperty(property).setReason(reason);
}

function diffResponse(
  changes: ReturnType<typeof diff>,
  stable: readonly string[],
): InstanceType<typeof pb.DiffResponse> {
  const { DIFF_SOME, DIFF_NONE } = pb.DiffResponse.DiffChanges;
  const replaces = [...changes].filter(([, change]) => change.replaces).map(([path]) => path);
  const response = new pb.DiffResponse()
    .setChanges(changes.size > 0 ? DIFF_SOME : DIFF_NONE)
    .setDiffsList([...new Set([...changes.keys()].map(topLevel))])
    .setReplacesList([...new Set(replaces.map(topLevel))])
    .setHasdetaileddiff(true);
  if (replaces.length === 0) response.setStablesList([...stable]);
  for (const [path, { kind, replaces: replacing }] of changes) {
    const full = replacing ? (`${kind}_REPLACE` as const) : kind;
    const change = new pb.PropertyDiff().setKind(pb.PropertyDiff.Kind[full]).setInputdiff(true);
    response.getDetaileddiffMap().set(path, change);
  }
  return response;
}

function topLevel(path: string): string {
  return path.split(/[.[]/)[0] ?? path;
}

function tokenProblem(token: unknown): string | undefined {
  if (token === UNKNOWN || (typeof token === "string" && TOKEN.test(token))) return undefined;
  return 'the provider needs "apiToken" (vercel:apiToken or VERCEL_API_TOKEN) with 24 letters and digits in it';
}
