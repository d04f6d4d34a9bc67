import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/**
 * Makes the tokens that `forwardURL` requests carry: RS256, with the platform's claims. The platform's keys are at
 * oidc.vercel.com, so a proxy that verifies them there refuses these.
 */
export function createIdentityTokens(teamId: string, now: () => number) {
  let key: KeyObject | undefined;
  return (audience: string, claims: { project_id: string; sandbox_id: string; sandbox_name: string }): string => {
    key ??= generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    const seconds = Math.floor(now() / 1000);
    const payload = {
      iss: `https://oidc.vercel.com/${teamId}`,
      aud: audience,
      team_id: teamId,
      iat: seconds,
      exp: seconds + 300,
      ...claims,
    };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const body = `${part({ alg: "RS256", typ: "JWT", kid: "local" })}.${part(payload)}`;
    return `${body}.${sign("sha256", Buffer.from(body), key).toString("base64url")}`;
  };
}
