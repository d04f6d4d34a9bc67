/** What really exists in a local cloud, whatever a stack's state says. */
import type { LocalEndpoints } from "./cloud.ts";

/** Names or ids of the objects that exist, by kind, sorted. What has a name is listed by it, so that doubles show. */
export interface RemoteObjects {
  environments: string[];
  /** Archived ones left out: agents cannot be deleted. */
  agents: string[];
  projects: string[];
  /** `project/KEY` */
  variables: string[];
  deployments: string[];
  snapshots: string[];
  sandboxes: string[];
}

type Item = Record<string, string>;

/** @throws when a server does not answer with a list. */
export async function remoteObjects(endpoints: LocalEndpoints): Promise<RemoteObjects> {
  const { anthropicBaseUrl, apiKey, vercelApiUrl, vercelToken, vercelTeamId, vercelProjectId, sandboxApiUrl } =
    endpoints;
  const list = async (url: string, headers: Record<string, string>, key: string): Promise<Item[]> => {
    const response = await fetch(url, { headers });
    const body = (await response.json()) as Record<string, Item[]>;
    if (!response.ok || !Array.isArray(body[key])) throw new Error(`${url} answered ${response.status} without ${key}`);
    return body[key];
  };
  const atAnthropic = (path: string) =>
    list(
      `${anthropicBaseUrl}/v1/${path}?limit=100`,
      { "x-api-key": apiKey, "anthropic-version": "2023-06-01", "anthropic-beta": "managed-agents-2026-04-01" },
      "data",
    );
  const bearer = { authorization: `Bearer ${vercelToken}` };
  const atVercel = (path: string, key: string) =>
    list(`${vercelApiUrl}/${path}?teamId=${vercelTeamId}&limit=100`, bearer, key);
  const atSandbox = (project: string, path: string, key: string) =>
    list(`${sandboxApiUrl}/v2/${path}?teamId=${vercelTeamId}&project=${project}&limit=50`, bearer, key);

  const projects = (await atVercel("v9/projects", "projects")).filter(({ id }) => id !== vercelProjectId);
  const variables = await Promise.all(
    projects.map(async ({ id, name }) =>
      (await atVercel(`v8/projects/${id}/env`, "envs")).map(({ key }) => `${name}/${key}`),
    ),
  );
  const ids = [vercelProjectId, ...projects.map(({ id }) => id ?? "")];
  const ofSandboxes = async (path: string, key: string) =>
    (await Promise.all(ids.map((id) => atSandbox(id, path, key)))).flat();
  const sorted = (items: Item[], property: string) => items.map((item) => item[property] ?? "").sort();
  return {
    environments: sorted(await atAnthropic("environments"), "name"),
    agents: sorted(await atAnthropic("agents"), "name"),
    projects: sorted(projects, "name"),
    variables: variables.flat().sort(),
    deployments: sorted(await atVercel("v6/deployments", "deployments"), "uid"),
    snapshots: sorted(await ofSandboxes("sandboxes/snapshots", "snapshots"), "id"),
    sandboxes: sorted(await ofSandboxes("sandboxes", "sandboxes"), "name"),
  };
}
