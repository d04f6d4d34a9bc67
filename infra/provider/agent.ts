/** Agent: what Claude is told and which tools it may call (contracts/claude-managed-agents.md §8). */
import { isDeepStrictEqual } from "node:util";
import { type Anthropic, APIError } from "@anthropic-ai/sdk";
import { z } from "zod";
import { anthropicClient, createOnce, metadataSchema, unlessMissing } from "./anthropic.ts";
import { defineResource } from "./definition.ts";
import { hasTag, metadataPatch, tagged, userMetadata } from "./metadata-tag.ts";

const tool = z.strictObject({
  type: z.literal("custom", 'must be "custom": the runner serves no other tools'),
  name: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, "has 1 to 128 letters, digits, - or _"),
  description: z.string().min(1, "is empty; Claude chooses tools by their description"),
  input_schema: z.looseObject({ type: z.literal("object", 'must be "object"') }),
});

const inputs = z.strictObject({
  name: z.string().min(1, "is empty").max(256, "has at most 256 characters").describe("Name."),
  model: z.string().min(1, "is empty; for example claude-opus-5-5").describe("Model id."),
  system: z.string().min(1, "is empty; leave it out instead").max(100_000).optional().describe("System prompt."),
  description: z.string().min(1, "is empty; leave it out instead").max(2048).optional().describe("For people."),
  tools: z
    .array(tool)
    .max(256, "an agent has at most 256 tools")
    .refine((tools) => new Set(tools.map((item) => item.name)).size === tools.length, {
      error: "two tools have the same name",
    })
    .describe("Every tool that Claude may call. Without this list it could call ones that the runner does not serve."),
  metadata: metadataSchema,
});

const outputs = z.object({
  agentId: z.string().describe("`agent_…`, the same as the resource's id."),
  version: z.int().describe("Counts the changes. Sessions keep the version that they started with."),
});

type Inputs = z.infer<typeof inputs>;
type Remote = Anthropic.Beta.BetaManagedAgentsAgent;

export const agent = defineResource<Inputs, z.infer<typeof outputs>>({
  type: "Agent",
  description: "A managed agent. Agents can only be archived: that is what deleting this resource does.",
  inputs,
  outputs,
  replaceOn: [],
  deleteBeforeReplace: "always",
  deadlines: { create: 120, read: 60, update: 120, delete: 120 },
  // An update makes a new version, or none when only the state was behind.
  preview: (_, state) => (state ? { agentId: state.agentId } : {}),

  async create(desired, context) {
    const { agents } = anthropicClient(context).beta;
    const { signal } = context;
    const find = async (): Promise<Remote | undefined> => {
      for await (const item of agents.list({ limit: 100 }, { signal })) {
        if (hasTag(item, context.urn) && item.archived_at === null) return item;
      }
      return undefined;
    };
    const left = await find();
    if (left) context.log("info", `continues with ${left.id}, which an interrupted run made`);
    const made = left
      ? await agents.update(left.id, changes(desired, userMetadata(left.metadata), context.urn), { signal })
      : await createOnce(find, () =>
          agents.create(
            { ...body(desired), metadata: tagged(desired.metadata, context.urn) },
            { signal, maxRetries: 0 },
          ),
        );
    return { id: made.id, outputs: { agentId: made.id, version: made.version } };
  },

  async read(id, state, context) {
    const remote = await unlessMissing(
      anthropicClient(context).beta.agents.retrieve(id, {}, { signal: context.signal }),
    );
    if (!remote || remote.archived_at !== null) return null;
    return { inputs: inputsOf(remote, state), outputs: { agentId: id, version: remote.version } };
  },

  async update(id, state, desired, context) {
    const { agents } = anthropicClient(context).beta;
    const { signal } = context;
    try {
      const updated = await agents.update(
        id,
        { ...changes(desired, state.metadata, context.urn), version: state.version },
        { signal, maxRetries: 0 },
      );
      return { agentId: id, version: updated.version };
    } catch (error) {
      if (!(error instanceof APIError) || error.status !== 409) throw error;
      // Our own change, when the answer to it was lost or the state was not written.
      const remote = await agents.retrieve(id, {}, { signal });
      if (isDeepStrictEqual(clean(inputsOf(remote, desired)), clean(desired))) {
        return { agentId: id, version: remote.version };
      }
      throw new Error(
        `${id} is at version ${remote.version}, not ${state.version}: somebody changed it elsewhere. ` +
          "See what by: pulumi refresh --preview-only --diff; then run pulumi refresh and pulumi up",
      );
    }
  },

  async delete(id, _, context) {
    await unlessMissing(anthropicClient(context).beta.agents.archive(id, {}, { signal: context.signal }));
  },
});

function body({ name, model, system, description, tools }: Inputs) {
  return { name, model, system, description, tools: tools as Anthropic.Beta.BetaManagedAgentsCustomToolParams[] };
}

/** A full replacement of everything that the resource manages; null clears. */
function changes(desired: Inputs, metadataBefore: Inputs["metadata"], urn: string): Anthropic.Beta.AgentUpdateParams {
  return {
    ...body(desired),
    system: desired.system ?? null,
    description: desired.description ?? null,
    metadata: metadataPatch(metadataBefore, desired.metadata, urn),
  };
}

/** The remote agent as a program would write it, in the words of `known` where both mean the same. */
function inputsOf(remote: Remote, known: Inputs | undefined): Inputs {
  const tools = remote.tools.map((item, index) => {
    if (item.type !== "custom") return item as unknown as Inputs["tools"][number];
    const { type, name, description, input_schema } = item;
    const found = { type, name, description, input_schema } as Inputs["tools"][number];
    const before = known?.tools[index];
    // The API may answer with null for what it was not given.
    return before && isDeepStrictEqual(clean(before), clean(found)) ? before : found;
  });
  return {
    name: remote.name,
    model: remote.model.id,
    system: remote.system || undefined,
    description: remote.description || undefined,
    tools,
    metadata: userMetadata(remote.metadata),
  };
}

/** Without null and undefined members, at any depth. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null && item !== undefined)
      .map(([key, item]) => [key, clean(item)]),
  );
}
