import { z } from "zod";
import type { Deployment } from "./store.ts";

/** How a protected deployment answers who may not see it: a redirect to the login page, or plainly 401. */
export type ProtectionAnswer = "redirect" | "unauthorized";

const sso = z.object({ deploymentType: z.string() }).nullish().catch(undefined);

/** Whether Deployment Protection guards a deployment when reached by this kind of name (contracts §4.5, §5.3). */
export function isProtected(deployment: Deployment, productionDomain: boolean): boolean {
  switch (sso.parse(deployment.project.settings.ssoProtection)?.deploymentType) {
    case "all":
      return true;
    case "production":
      return deployment.target === "production";
    case "preview":
      return deployment.target !== "production";
    case "all_except_custom_domains":
    case "prod_deployment_urls_and_all_previews":
      return !productionDomain;
    default:
      return false;
  }
}

/** Whether the request carries one of the project's bypass secrets, as header or as query parameter. */
export function bypasses(deployment: Deployment, header: string | undefined, target: string): boolean {
  const query = new URL(target, "http://deployment").searchParams.get("x-vercel-protection-bypass");
  return [header, query].some((secret) => secret != null && deployment.project.protectionBypass.has(secret));
}
