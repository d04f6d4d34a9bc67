import { z } from "zod";

/** Configuration of the provider: which accounts its resources live in. */
export const providerConfig = z.strictObject({
  anthropicBaseUrl: z
    .url({ protocol: /^https?$/, error: "must be an http(s) URL such as https://api.anthropic.com" })
    .optional()
    .describe("Address of the Anthropic API; https://api.anthropic.com unless given."),
  anthropicApiKey: z
    .string()
    .min(1, "is empty; set it with: pulumi config set --secret handrail:anthropicApiKey")
    .optional()
    .describe("API key of the Anthropic workspace in which environments and agents live."),
  sandboxApiUrl: z
    .url({ protocol: /^https?$/, error: "must be an http(s) URL such as https://vercel.com/api" })
    .optional()
    .describe("Stands in for https://vercel.com/api, the address of Vercel Sandbox."),
  vercelToken: z
    .string()
    .min(1, "is empty; set it with: pulumi config set --secret handrail:vercelToken")
    .optional()
    .describe("Vercel token that may create sandboxes in the project."),
  vercelTeamId: z.string().min(1).optional().describe("Vercel team that owns the project, `team_…`."),
});

export type ProviderConfig = z.infer<typeof providerConfig>;

export const secretProviderConfig = ["anthropicApiKey", "vercelToken"] as const;

/** @throws with the setting's name when a resource needs one that the provider was not given. */
export function requireConfig<K extends keyof ProviderConfig>(
  config: ProviderConfig,
  ...names: K[]
): { [P in K]: NonNullable<ProviderConfig[P]> } {
  for (const name of names) {
    if (config[name] === undefined) {
      throw new Error(`the provider has no ${name}; give it to new handrail.Provider(…) or handrail:${name} in config`);
    }
  }
  return config as { [P in K]: NonNullable<ProviderConfig[P]> };
}
