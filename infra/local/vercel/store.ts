/** What the local Vercel account holds, in memory: it ends with the server. */
import { randomBytes } from "node:crypto";
import type { BuildOutput } from "./build-output.ts";
import { notFound } from "./http-error.ts";

export type Target = "production" | "preview" | "development";

export interface EnvVar {
  id: string;
  key: string;
  value: string;
  target: Target[];
  type: "plain" | "encrypted" | "sensitive" | "system";
  gitBranch?: string;
  comment: string;
  createdAt: number;
  updatedAt: number;
}

export interface ProtectionBypass {
  createdAt: number;
  createdBy: string;
  scope: "automation-bypass";
  isEnvVar: boolean;
  note?: string;
}

export interface Domain {
  name: string;
  gitBranch: string | null;
  redirect: string | null;
  redirectStatusCode: number | null;
  createdAt: number;
}

export interface Project {
  id: string;
  name: string;
  createdAt: number;
  updatedAt: number;
  /** Settings as clients sent them, over the platform's defaults; answered back as they are. */
  settings: Record<string, unknown>;
  env: EnvVar[];
  domains: Domain[];
  /** By secret. */
  protectionBypass: Map<string, ProtectionBypass>;
  cronsDisabledAt: number | null;
  /** Deployment that the production domains lead to. */
  production: Deployment | null;
}

export interface Deployment {
  id: string;
  project: Project;
  /** Host name of this deployment alone, e.g. `agent-cp-1a2b3c4d5.vercel.app`. */
  url: string;
  target: "production" | null;
  meta: Record<string, string>;
  createdAt: number;
  output: BuildOutput;
  /** The environment variables of its target at the moment of its creation; later changes do not reach it. */
  env: Record<string, string>;
}

export interface Webhook {
  id: string;
  url: string;
  events: string[];
  projectIds?: string[];
  secret: string;
  createdAt: number;
}

/** Ids as Vercel's look: a prefix and 24 or so letters and digits. */
export function newId(prefix: string): string {
  return `${prefix}${randomBytes(14).toString("base64url").replaceAll(/[-_]/g, "x")}`;
}

export class Store {
  readonly projects = new Map<string, Project>();
  readonly deployments = new Map<string, Deployment>();
  /** Host names that a client assigned by hand: alias → its id and deployment. */
  readonly aliases = new Map<string, { uid: string; deployment: Deployment }>();
  readonly webhooks = new Map<string, Webhook>();

  /** @param idOrName as in every `/projects/{idOrName}` path. @throws VercelError 404 */
  project(idOrName: string): Project {
    const found =
      this.projects.get(idOrName) ?? [...this.projects.values()].find((project) => project.name === idOrName);
    if (!found) throw notFound("Project");
    return found;
  }

  /** @param idOrUrl `dpl_…` or the deployment's host name. @throws VercelError 404 */
  deployment(idOrUrl: string): Deployment {
    const found =
      this.deployments.get(idOrUrl) ?? [...this.deployments.values()].find((deployment) => deployment.url === idOrUrl);
    if (!found) throw notFound("Deployment");
    return found;
  }

  /** Host names that lead to whatever deployment is in production. */
  productionHosts(project: Project): string[] {
    return [`${project.name}.vercel.app`, ...project.domains.filter((d) => !d.redirect).map((d) => d.name)];
  }

  /** The deployment that a host name leads to, and whether the name is a production domain. */
  byHost(host: string): { deployment: Deployment; productionDomain: boolean } | undefined {
    for (const project of this.projects.values()) {
      if (this.productionHosts(project).includes(host)) {
        return project.production ? { deployment: project.production, productionDomain: true } : undefined;
      }
    }
    const deployment =
      this.aliases.get(host)?.deployment ?? [...this.deployments.values()].find((one) => one.url === host);
    return deployment && { deployment, productionDomain: false };
  }

  /** The youngest of the deployments in production, whatever project it belongs to. */
  latestProduction(): Deployment | undefined {
    return [...this.projects.values()]
      .flatMap((project) => project.production ?? [])
      .sort((a, b) => b.createdAt - a.createdAt)[0];
  }
}
