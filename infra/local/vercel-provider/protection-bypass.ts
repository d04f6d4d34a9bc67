import { createHash } from "node:crypto";
import { z } from "zod";
import { ignoreMissing } from "./project.ts";
import { type Properties, UNKNOWN } from "./properties.ts";
import { importParts, type Resource } from "./resource.ts";
import { ApiError, type VercelClient } from "./vercel-client.ts";

interface Bypass {
  scope: string;
  isEnvVar?: boolean;
  note?: string;
  createdAt?: number;
  createdBy?: string;
}

type Bypasses = Record<string, Bypass>;

/** `ProjectProtectionBypass`: imported by project and secret, but known afterwards by an id that does not tell it. */
export const protectionBypass: Resource = {
  inputs: {
    projectId: z.string(),
    note: z.string().max(100).optional(),
    secret: z
      .string()
      .regex(/^[A-Za-z0-9]{32}$/, "must be 32 letters and digits")
      .optional(),
    isEnvVar: z.boolean().optional(),
    teamId: z.string().optional(),
  },
  replaces: (property) => ["projectId", "secret", "teamId"].includes(property),
  secrets: ["secret"],
  stable: ["id", "projectId", "secret", "scope", "createdAt", "createdBy", "teamId"],

  preview: (inputs, client) => ({
    isEnvVar: UNKNOWN,
    secret: UNKNOWN,
    ...inputs,
    scope: UNKNOWN,
    createdAt: UNKNOWN,
    createdBy: UNKNOWN,
    teamId: inputs.teamId ?? client.teamId ?? UNKNOWN,
  }),

  async create(inputs, client) {
    const before = await read(inputs.projectId, client);
    const generate = { secret: inputs.secret, note: inputs.note };
    const after = await change(inputs.projectId, { generate }, client);
    const secret = String(inputs.secret ?? Object.keys(after).find((one) => !(one in before)));
    if (inputs.isEnvVar === true && !after[secret]?.isEnvVar) {
      await change(inputs.projectId, { update: { secret, isEnvVar: true } }, client);
    }
    const outputs = outputsOf(secret, { ...after[secret], ...flag(inputs) }, inputs, client);
    return { id: idOf(inputs.projectId, secret), outputs };
  },

  async read(id, state, client) {
    const [projectId = "", given = ""] = importParts(id, 2);
    const secret = String(state.secret ?? given);
    try {
      const bypass = (await read(projectId, client))[secret];
      return (
        bypass && { id: idOf(projectId, secret), outputs: outputsOf(secret, bypass, { ...state, projectId }, client) }
      );
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  },

  async update(_id, inputs, olds, client) {
    const secret = String(olds.secret);
    const update = { secret, isEnvVar: inputs.isEnvVar, note: inputs.note ?? "" };
    const after = await change(inputs.projectId, { update }, client);
    return outputsOf(secret, after[secret] ?? { scope: String(olds.scope) }, inputs, client);
  },

  async delete(_id, state, client) {
    try {
      if (!(String(state.secret) in (await read(state.projectId, client)))) return;
      await change(state.projectId, { revoke: { secret: state.secret, regenerate: false } }, client);
    } catch (error) {
      ignoreMissing(error);
    }
  },
};

/** Ids lie in the state in clear, so the secret is in it as a digest. */
function idOf(projectId: unknown, secret: string): string {
  return `${projectId}/${createHash("sha256").update(secret).digest("hex").slice(0, 16)}`;
}

async function read(projectId: unknown, client: VercelClient): Promise<Bypasses> {
  const answer = await client.call<{ protectionBypass?: Bypasses }>("GET", `/v10/projects/${projectId}`);
  return answer.protectionBypass ?? {};
}

async function change(projectId: unknown, body: Properties, client: VercelClient): Promise<Bypasses> {
  const path = `/v10/projects/${projectId}/protection-bypass`;
  return (await client.call<{ protectionBypass?: Bypasses }>("PATCH", path, { body })).protectionBypass ?? {};
}

function flag({ isEnvVar }: Properties): { isEnvVar?: boolean } {
  return isEnvVar === true ? { isEnvVar } : {};
}

function outputsOf(secret: string, bypass: Partial<Bypass>, inputs: Properties, client: VercelClient): Properties {
  return {
    projectId: inputs.projectId,
    teamId: inputs.teamId ?? client.teamId,
    secret,
    scope: bypass.scope ?? "automation-bypass",
    isEnvVar: bypass.isEnvVar ?? false,
    note: bypass.note ?? inputs.note,
    createdAt: bypass.createdAt,
    createdBy: bypass.createdBy,
  };
}
