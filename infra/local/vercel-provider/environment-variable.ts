import { z } from "zod";
import { ignoreMissing } from "./project.ts";
import { type Properties, UNKNOWN } from "./properties.ts";
import { importParts, type Resource } from "./resource.ts";
import { ApiError, type VercelClient } from "./vercel-client.ts";

interface Item {
  id: string;
  key: string;
  value?: string;
  target: string[];
  type: string;
  gitBranch?: string | null;
  comment?: string | null;
}

/** `ProjectEnvironmentVariable`: `sensitive` decides whether anyone, this provider too, can read the value again. */
export const environmentVariable: Resource = {
  inputs: {
    projectId: z.string(),
    key: z.string(),
    value: z.string(),
    sensitive: z.boolean(),
    targets: z.array(z.enum(["production", "preview", "development"])).min(1),
    gitBranch: z.string().optional(),
    comment: z.string().max(1000).optional(),
    teamId: z.string().optional(),
  },
  replaces: (property) => ["key", "projectId", "sensitive", "teamId"].includes(property),
  secrets: ["value"],
  stable: ["id", "key", "projectId", "sensitive", "teamId"],

  async check(inputs) {
    const targets = Array.isArray(inputs.targets) ? inputs.targets : [];
    const failures: Record<string, string> =
      inputs.sensitive === true && targets.includes("development")
        ? { sensitive: "a variable for development cannot be sensitive; give it a variable of its own" }
        : {};
    return { inputs, failures };
  },

  preview: (inputs, client) => ({
    comment: "",
    ...inputs,
    teamId: inputs.teamId ?? client.teamId ?? UNKNOWN,
  }),

  async create(inputs, client) {
    await client.call("GET", `/v10/projects/${inputs.projectId}`);
    const { created } = await client.call<{ created: Item }>("POST", `/v10/projects/${inputs.projectId}/env`, {
      body: { key: inputs.key, ...mutable(inputs) },
    });
    return { id: created.id, outputs: outputsOf(created, inputs, client, inputs.value) };
  },

  async read(id, state, client) {
    const [projectId, variable] = id.includes("/") ? importParts(id, 2) : [String(state.projectId), id];
    try {
      const item = await client.call<Item & Properties>("GET", `/v10/projects/${projectId}/env/${variable}`);
      const value = item.type === "sensitive" ? state.value : item.value;
      return { id: item.id, outputs: outputsOf(item, { ...state, projectId }, client, value) };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  },

  async update(id, inputs, _olds, client) {
    const path = `/v10/projects/${inputs.projectId}/env/${id}`;
    const item = await client.call<Item & Properties>("PATCH", path, { body: mutable(inputs) });
    return outputsOf(item, inputs, client, inputs.value);
  },

  async delete(id, state, client) {
    await client.call("DELETE", `/v8/projects/${state.projectId}/env/${id}`).catch(ignoreMissing);
  },
};

function mutable(inputs: Properties): Properties {
  return {
    value: inputs.value,
    target: inputs.targets,
    gitBranch: inputs.gitBranch,
    type: inputs.sensitive ? "sensitive" : "encrypted",
    comment: inputs.comment ?? "",
  };
}

function outputsOf(item: Item, inputs: Properties, client: VercelClient, value: unknown): Properties {
  return {
    projectId: inputs.projectId,
    teamId: inputs.teamId ?? client.teamId,
    key: item.key,
    value,
    sensitive: item.type === "sensitive",
    targets: item.target,
    gitBranch: item.gitBranch ?? undefined,
    comment: item.comment ?? "",
  };
}
