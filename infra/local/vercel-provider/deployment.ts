import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Properties, UNKNOWN } from "./properties.ts";
import { importParts, type Resource } from "./resource.ts";
import { ApiError, type VercelClient } from "./vercel-client.ts";

interface Answer extends Properties {
  id: string;
  url: string;
  projectId: string;
  alias?: string[];
  aliasAssigned?: boolean;
  aliasError?: { message?: string } | null;
  readyState?: string;
  checksConclusion?: string;
  target?: string | null;
  meta?: Record<string, string>;
}

const POLL_MS = 5000;

/** `size~sha1`, as `getPrebuiltProject` describes a file. */
const FILE = z.string().regex(/^\d+~[0-9a-f]{40}$/, "must be size~sha1, as getPrebuiltProject gives it");

export const deployment: Resource = {
  inputs: {
    projectId: z.string(),
    files: z.record(z.string(), FILE),
    pathPrefix: z.string().optional(),
    production: z.boolean().optional(),
    environment: z.record(z.string(), z.string()).optional(),
    meta: z.record(z.string(), z.string()).optional(),
    deleteOnDestroy: z.boolean().optional(),
    teamId: z.string().optional(),
  },
  // A deployment is what it is: only what happens at its end can be changed.
  replaces: (property) => property !== "deleteOnDestroy",
  secrets: [],
  stable: ["id", "url", "domains", "projectId", "teamId"],

  preview: (inputs, client) => ({
    production: false,
    meta: {},
    ...inputs,
    url: UNKNOWN,
    domains: UNKNOWN,
    teamId: inputs.teamId ?? client.teamId ?? UNKNOWN,
  }),

  async create(inputs, client) {
    await client.call("GET", `/v10/projects/${inputs.projectId}`);
    const made = await createWithUploads(inputs, client);
    const ready = await untilReady(made, client);
    return { id: ready.id, outputs: outputsOf(ready, inputs, client) };
  },

  async read(id, state, client) {
    const [deploymentId = id] = importParts(id, 1);
    try {
      const answer = await client.call<Answer>("GET", `/v13/deployments/${deploymentId}`);
      const imported = Object.keys(state).length === 0;
      const asked = imported || state.production === true;
      const production = asked && answer.target === "production";
      const meta = imported ? answer.meta : state.meta;
      const known = { ...state, projectId: answer.projectId, production, meta };
      return { id: answer.id, outputs: outputsOf(answer, known, client) };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  },

  async update(_id, inputs, olds) {
    return { ...olds, deleteOnDestroy: inputs.deleteOnDestroy };
  },

  async delete(id, state, client) {
    if (state.deleteOnDestroy === true) await client.call("DELETE", `/v13/deployments/${id}`);
  },
};

/** Name under which a file is deployed: its path without the prefix, or without one leading `../`. */
export function deployedName(path: string, pathPrefix: string | undefined): string {
  if (pathPrefix === undefined) return path.replace(/^\.\.\//, "");
  const prefix = pathPrefix.endsWith("/") ? pathPrefix : `${pathPrefix}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : path;
}

async function createWithUploads(inputs: Properties, client: VercelClient): Promise<Answer> {
  const files = Object.entries(inputs.files as Record<string, string>).map(([path, described]) => {
    const [size = "", sha = ""] = described.split("~");
    return { path, file: deployedName(path, inputs.pathPrefix as string | undefined), sha, size: Number(size) };
  });
  const environment = inputs.environment as Record<string, string> | undefined;
  const create = () =>
    client.call<Answer>("POST", "/v12/now/deployments", {
      query: { skipAutoDetectionConfirmation: "1" },
      body: {
        files: files.map(({ file, sha, size }) => ({ file, sha, size })),
        env: environment,
        build: { env: environment },
        project: inputs.projectId,
        projectSettings: { sourceFilesOutsideRootDirectory: true },
        name: inputs.projectId,
        target: inputs.production === true ? "production" : undefined,
        meta: inputs.meta,
      },
    });
  try {
    return await create();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "missing_files") throw error;
    for (const sha of error.details.missing as string[]) {
      const path = files.find((file) => file.sha === sha)?.path;
      if (path === undefined) throw new Error(`the API misses a file with SHA-1 ${sha}, which this deployment has not`);
      await client.call("POST", "/v2/now/files", {
        bytes: await readFile(path),
        headers: {
          "content-type": "application/octet-stream",
          "x-vercel-digest": sha,
          "user-agent": "Go-http-client/1.1",
        },
      });
    }
    return create();
  }
}

async function untilReady(made: Answer, client: VercelClient): Promise<Answer> {
  for (let answer = made; ; ) {
    if (answer.aliasError) throw new Error(`deployment ${answer.id}: ${answer.aliasError.message ?? "no alias"}`);
    if (answer.readyState === "CANCELED" || answer.readyState === "ERROR" || answer.checksConclusion === "failed") {
      throw new Error(`deployment ${answer.id} ended as ${answer.readyState}; see its log at ${answer.url}`);
    }
    if (answer.aliasAssigned === true) return answer;
    await sleep(POLL_MS);
    answer = await client.call<Answer>("GET", `/v13/deployments/${answer.id}`);
  }
}

function outputsOf(answer: Answer, inputs: Properties, client: VercelClient): Properties {
  return {
    ...inputs,
    production: inputs.production ?? false,
    // What Vercel adds to it (the commit, the actor) is not the program's.
    meta: inputs.meta ?? {},
    url: answer.url,
    domains: answer.alias ?? [],
    projectId: answer.projectId ?? inputs.projectId,
    teamId: inputs.teamId ?? client.teamId,
  };
}
