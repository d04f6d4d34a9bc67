/** Finds the Vercel object that an interrupted create has made (contracts/vercel-provider.md §5.2). */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";

export interface VercelApi {
  readonly fetch: typeof fetch;
  /** `https://api.vercel.com` */
  readonly baseUrl: string;
  readonly token: string;
  readonly teamId?: string | undefined;
}

/** A resource that a create may have been running for. */
export interface WantedResource {
  readonly type: string;
  readonly urn: string;
  readonly inputs?: Record<string, unknown> | undefined;
}

/** Which of the objects that look right may be the one. */
export interface Search {
  /** Ids that the state has already: the predecessor of a replacement is not what is looked for. */
  readonly known: ReadonlySet<string>;
  /** Epoch ms. What existed before the interrupted update belongs to somebody else. */
  readonly since: number;
}

const createdAt = z.number().nullish();
const project = z.looseObject({ id: z.string(), createdAt });
const variables = z.looseObject({
  envs: z.array(
    z.looseObject({
      id: z.string(),
      key: z.string(),
      target: z.union([z.string(), z.array(z.string())]).nullish(),
      createdAt,
    }),
  ),
});
const deployments = z.looseObject({
  deployments: z.array(
    z.looseObject({
      uid: z.string(),
      meta: z.record(z.string(), z.unknown()).nullish(),
      created: createdAt,
      readyState: z.string().nullish(),
    }),
  ),
});

/** Deployments that never served anything. */
const FAILED = new Set(["ERROR", "CANCELED", "DELETED"]);

/** Whether the resource's object can be told from others by what is known of it. */
export function isRecognisable({ type, inputs = {} }: WantedResource): boolean {
  switch (type) {
    case "vercel:index/project:Project":
      return inputs.name !== undefined;
    case "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable":
      return inputs.projectId !== undefined && inputs.key !== undefined;
    case "vercel:index/deployment:Deployment":
      return inputs.projectId !== undefined && Object.keys(inputs.meta ?? {}).length > 0;
    default:
      return false;
  }
}

/** An object that a create has made. */
export interface FoundObject {
  readonly id: string;
  /** Inputs that it was made with, where Vercel tells them: they need not be today's. */
  readonly inputs?: Record<string, unknown>;
}

/**
 * @param resource one that {@link isRecognisable}.
 * @returns undefined when it was never made.
 * @throws when Vercel does not answer.
 */
export async function findVercelObject(
  api: VercelApi,
  { type, inputs = {} }: WantedResource,
  { known, since }: Search,
): Promise<FoundObject | undefined> {
  const isCandidate = (id: string, created: number | null | undefined) => !known.has(id) && (created ?? 0) >= since;
  switch (type) {
    case "vercel:index/project:Project": {
      const found = await get(api, `/v10/projects/${encodeURIComponent(String(inputs.name))}`, project);
      return found && isCandidate(found.id, found.createdAt) ? { id: found.id } : undefined;
    }
    case "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable": {
      const path = `/v8/projects/${encodeURIComponent(String(inputs.projectId))}/env?limit=100`;
      const found = await get(api, path, variables);
      const targets = list(inputs.targets);
      const variable = found?.envs.find(
        (item) =>
          item.key === inputs.key && sameSet(list(item.target), targets) && isCandidate(item.id, item.createdAt),
      );
      return variable && { id: variable.id };
    }
    case "vercel:index/deployment:Deployment": {
      const path = `/v6/deployments?projectId=${encodeURIComponent(String(inputs.projectId))}&limit=100`;
      const wanted = inputs.meta as Record<string, unknown>;
      const found = await get(api, path, deployments);
      const ours = (found?.deployments ?? [])
        .filter((item) => isCandidate(item.uid, item.created) && !FAILED.has(item.readyState ?? ""))
        // Vercel adds keys of its own; whatever has all of ours was deployed by this program.
        .filter((item) => Object.keys(wanted).every((key) => item.meta?.[key] !== undefined))
        .map(({ uid, created, meta }) => ({
          id: uid,
          created: created ?? 0,
          meta: Object.fromEntries(Object.keys(wanted).map((key) => [key, meta?.[key]])),
        }))
        .sort((a, b) => b.created - a.created);
      // One that was made from something else is entered as what it is, and the next up replaces it.
      const deployment = ours.find(({ meta }) => isDeepStrictEqual(meta, wanted)) ?? ours[0];
      return deployment && { id: deployment.id, inputs: { meta: deployment.meta } };
    }
    default:
      return undefined;
  }
}

async function get<T>(api: VercelApi, path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const url = new URL(api.baseUrl + path);
  if (api.teamId) url.searchParams.set("teamId", api.teamId);
  const response = await api.fetch(url, {
    headers: { authorization: `Bearer ${api.token}` },
    signal: AbortSignal.timeout(30_000),
  });
  if (response.status === 404) return undefined;
  if (!response.ok)
    throw new Error(`GET ${url.origin}${url.pathname} answered HTTP ${response.status}: ${await response.text()}`);
  return schema.parse(await response.json());
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : value ? [String(value)] : [];
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}
