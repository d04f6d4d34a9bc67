/** Environment: the queue of a self-hosted environment at Anthropic (contracts/claude-managed-agents.md §2.1). */
import { type Anthropic, APIError } from "@anthropic-ai/sdk";
import { z } from "zod";
import { anthropicClient, createOnce, metadataSchema, unlessMissing } from "./anthropic.ts";
import { defineResource } from "./definition.ts";
import { hasTag, metadataPatch, tagged, userMetadata } from "./metadata-tag.ts";

const inputs = z.strictObject({
  name: z.string().min(1, "is empty; environments are told apart by name in the Console").describe("Name."),
  description: z.string().min(1, "is empty; leave it out instead").optional().describe("For people."),
  metadata: metadataSchema,
});

const outputs = z.object({ environmentId: z.string().describe("`env_…`, the same as the resource's id.") });

type Inputs = z.infer<typeof inputs>;
type Remote = Anthropic.Beta.BetaEnvironment;

export const environment = defineResource<Inputs, z.infer<typeof outputs>>({
  type: "Environment",
  description:
    "A self-hosted environment. Replacing it means a new id, and so a new key from the Console: protect it where it matters.",
  inputs,
  outputs,
  replaceOn: [],
  deleteBeforeReplace: "always",
  deadlines: { create: 120, read: 60, update: 120, delete: 120 },
  preview: (_, state) => (state ? { environmentId: state.environmentId } : {}),

  async create(desired, context) {
    const { environments } = anthropicClient(context).beta;
    const find = async (): Promise<Remote | undefined> => {
      for await (const item of environments.list({ limit: 100 }, { signal: context.signal })) {
        if (hasTag(item, context.urn) && item.archived_at === null) return item;
      }
      return undefined;
    };
    const left = await find();
    if (left) context.log("info", `continues with ${left.id}, which an interrupted run made`);
    const made =
      left ??
      (await createOnce(find, () =>
        environments.create(
          { ...desired, config: { type: "self_hosted" }, metadata: tagged(desired.metadata, context.urn) },
          { signal: context.signal, maxRetries: 0 },
        ),
      ));
    if (left) await environments.update(left.id, changeTo(left, desired, context.urn), { signal: context.signal });
    return { id: made.id, outputs: { environmentId: made.id } };
  },

  async read(id, _, context) {
    const remote = await unlessMissing(
      anthropicClient(context).beta.environments.retrieve(id, {}, { signal: context.signal }),
    );
    if (!remote || remote.archived_at !== null) return null;
    if (remote.config.type !== "self_hosted") {
      throw new Error(`${id} is a ${remote.config.type} environment; handrail runs tools in self-hosted ones only`);
    }
    const { name, description } = remote;
    return {
      inputs: { name, description: description || undefined, metadata: userMetadata(remote.metadata) },
      outputs: { environmentId: id },
    };
  },

  async update(id, state, desired, context) {
    const { environments } = anthropicClient(context).beta;
    await environments.update(
      id,
      {
        name: desired.name,
        description: desired.description ?? null,
        metadata: metadataPatch(state.metadata, desired.metadata, context.urn),
      },
      { signal: context.signal },
    );
    return { environmentId: id };
  },

  async delete(id, _, context) {
    const { environments } = anthropicClient(context).beta;
    const options = { signal: context.signal, maxRetries: 0 };
    try {
      await environments.delete(id, {}, options);
    } catch (error) {
      if (!(error instanceof APIError)) throw error;
      if (error.status === 404) return;
      if (error.status !== 409) throw error;
      context.log("info", `${id} still has sessions and cannot be deleted: it is archived`);
      await unlessMissing(environments.archive(id, {}, { signal: context.signal }));
    }
  },
});

function changeTo(remote: Remote, desired: Inputs, urn: string): Anthropic.Beta.EnvironmentUpdateParams {
  return {
    name: desired.name,
    description: desired.description ?? null,
    metadata: metadataPatch(userMetadata(remote.metadata), desired.metadata, urn),
  };
}
