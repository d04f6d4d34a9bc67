import type { Deployment } from "./store.ts";

/**
 * The variables that the platform adds to a deployment's own: those of the system when the project's
 * `automaticallyExposeSystemEnvironmentVariables` is on, and the bypass secret that is marked for it.
 */
export function systemVariables({ id, project, target, url }: Omit<Deployment, "env">): Record<string, string> {
  const bypass = [...project.protectionBypass].find(([, { isEnvVar }]) => isEnvVar)?.[0];
  const environment = target ?? "preview";
  return {
    ...(bypass && { VERCEL_AUTOMATION_BYPASS_SECRET: bypass }),
    ...(project.settings.autoExposeSystemEnvs === true && {
      VERCEL: "1",
      VERCEL_ENV: environment,
      VERCEL_TARGET_ENV: environment,
      VERCEL_URL: url,
      VERCEL_PROJECT_PRODUCTION_URL: project.domains.find((one) => !one.redirect)?.name ?? `${project.name}.vercel.app`,
      VERCEL_PROJECT_ID: project.id,
      VERCEL_DEPLOYMENT_ID: id,
      VERCEL_REGION: "local1",
    }),
  };
}
