import { generateKeyPair, sign, verify } from "node:crypto";
import { promisify } from "node:util";
import { z } from "zod";

/** Who a function is, as in the claims of its OIDC token (contracts/vercel-functions.md §4.9). */
const claims = z.object({
  iss: z.string(),
  aud: z.string(),
  sub: z.string(),
  owner: z.string(),
  owner_id: z.string(),
  project: z.string(),
  project_id: z.string(),
  environment: z.string(),
  iat: z.number(),
  nbf: z.number(),
  exp: z.number(),
});
export type IdentityClaims = z.infer<typeof claims>;

export interface IdentityProvider {
  /** A token of two hours for a function of this project. */
  issue(project: { id: string; name: string }, environment: string): string;
  /** The claims of a token that this provider signed and that is still valid, else undefined. */
  verify(token: string): IdentityClaims | undefined;
}

const LIFETIME_S = 2 * 60 * 60;

/** Signs RS256 tokens as `oidc.vercel.com` does for a team; nothing outside this process can make one. */
export async function createIdentityProvider(
  team: { id: string; slug: string },
  now: () => number,
): Promise<IdentityProvider> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  return {
    issue(project, environment) {
      const seconds = Math.floor(now() / 1000);
      const content: IdentityClaims = {
        iss: `https://oidc.vercel.com/${team.slug}`,
        aud: `https://vercel.com/${team.slug}`,
        sub: `owner:${team.slug}:project:${project.name}:environment:${environment}`,
        owner: team.slug,
        owner_id: team.id,
        project: project.name,
        project_id: project.id,
        environment,
        iat: seconds,
        nbf: seconds,
        exp: seconds + LIFETIME_S,
      };
      const text = `${encode({ alg: "RS256", typ: "JWT", kid: "local" })}.${encode(content)}`;
      return `${text}.${sign("RSA-SHA256", Buffer.from(text), privateKey).toString("base64url")}`;
    },
    verify(token) {
      const [head, body, signature, ...rest] = token.split(".");
      if (!head || !body || !signature || rest.length > 0) return undefined;
      const signed = verify(
        "RSA-SHA256",
        Buffer.from(`${head}.${body}`),
        publicKey,
        Buffer.from(signature, "base64url"),
      );
      if (!signed) return undefined;
      const content = claims.safeParse(JSON.parse(Buffer.from(body, "base64url").toString()));
      return content.success && content.data.exp * 1000 > now() ? content.data : undefined;
    },
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
