/** Finds the Vercel object that an interrupted create has made (contracts/vercel-provider.md §5.2). */
import { z } from "zod";

export interface VercelApi {
  readonly fetch: typeof fetch;
  /** `https://api.vercel.com` */
  readonly baseUrl: string;
  readonly token: string;
  readonly teamId?: string | undefined;
}

/** What the engine wrote down about the resource. */
export interface PendingResource {
  readonly type: string;
  readonly urn: string;
  readonly inputs?: Record<string, unknown> | undefined;
}

const project = z.looseObject({ id: z.string() });
const variables = z.looseObject({
  envs: z.array(
    z.looseObject({ id: z.string(), key: z.string(), target: z.union([z.string(), z.array(z.string())]).nullish() }),
  ),
});
const deployments = z.looseObject({
  deployments: z.array(
    z.looseObject({
      uid: z.string(),
      meta: z.record(z.string(), z.unknown()).nullish(),
      created: z.number().nullish(),
    }),
  ),
});

/**
 * @param known ids that the state has already: the predecessor of a replacement is not what is looked for.
 * @returns the object's id, or undefined when it was never made.
 * @throws for a type whose objects cannot be told apart, and when Vercel does not answer.
 */
export async function findVercelObject(
  api: VercelApi,
  { type, urn, inputs = {} }: PendingResource,
  known: ReadonlySet<string>,
): Promise<string | undefined> {
  switch (type) {
    case "vercel:index/project:Project": {
      const found = await get(api, `/v10/projects/${encodeURIComponent(String(inputs.name))}`, project);
      return found && unknown(found.id, known);
    }
    case "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable": {
      const path = `/v8/projects/${encodeURIComponent(String(inputs.projectId))}/env?limit=100`;
      const found = await get(api, path, variables);
      const targets = list(inputs.targets);
      return found?.envs.find(
        (item) => item.key === inputs.key && sameSet(list(item.target), targets) && !known.has(item.id),
      )?.id;
    }
    case "vercel:index/deployment:Deployment": {
      const path = `/v6/deployments?projectId=${encodeURIComponent(String(inputs.projectId))}&limit=100`;
      const found = await get(api, path, deployments);
      const meta = Object.entries((inputs.meta as Record<string, unknown> | undefined) ?? {});
      // The meta holds the revision of the secrets and the digests: another deployment has another.
      if (meta.length === 0) break;
      return found?.deployments
        .filter((item) => !known.has(item.uid) && meta.every(([key, value]) => item.meta?.[key] === value))
        .sort((a, b) => (b.created ?? 0) - (a.created ?? 0))[0]?.uid;
    }
  }
  throw new Error(
    `${urn} was interrupted while it was made, and nothing tells its object from others. Look for it at Vercel, delete ` +
      "it there if it exists, then: npm run pulumi -- refresh --clear-pending-creates",
  );
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

function unknown(id: string, known: ReadonlySet<string>): string | undefined {
  return known.has(id) ? undefined : id;
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : value ? [String(value)] : [];
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}
