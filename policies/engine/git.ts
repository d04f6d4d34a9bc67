/** Git over HTTPS: the requests by which a client fetches from a repository, or pushes to it. */
import { PolicyError } from "./errors.ts";
import type { AllowRule, Credential } from "./policy.ts";

/** A repository and what goes with it. */
export interface GitOptions<CredentialName extends string> {
  /** As {@link gitCredential} makes it, for a host that takes tokens so. */
  readonly credential?: CredentialName;
  readonly reason?: string;
}

/**
 * Lets a principal fetch from a repository: clone, fetch, pull. Both spellings of the path are allowed, with and without
 * `.git`; hosts that serve large files or archives elsewhere need rules of their own.
 *
 * A request that asks for `git-upload-pack` and another service at once is refused: which of two the host reads is its
 * own affair.
 *
 * @param repository `host/path`, without a scheme. `{name}` is a bound variable.
 * @example
 * sandbox: gitRead("github.example/acme/app"),
 * tools: { clone: { kind: "api", network: "own", allow: gitRead("github.example/acme/app", { credential: "git" }) } },
 */
export function gitRead<const CredentialName extends string = never>(
  repository: string,
  options: GitOptions<CredentialName> = {},
): AllowRule<CredentialName>[] {
  return rules(repository, ["git-upload-pack"], options);
}

/**
 * Lets a principal push to a repository, and fetch from it. Which branches is the host's to decide: the request does not
 * tell (contracts/vercel-firewall.md §1.15).
 */
export function gitWrite<const CredentialName extends string = never>(
  repository: string,
  options: GitOptions<CredentialName> = {},
): AllowRule<CredentialName>[] {
  return rules(repository, ["git-upload-pack", "git-receive-pack"], options);
}

/** A token in the form that GitHub and GitLab take for git: basic authentication as `x-access-token`. */
export function gitCredential(source: Credential["source"]): Credential {
  return { form: { type: "basic", username: "x-access-token" }, source };
}

function rules<CredentialName extends string>(
  repository: string,
  services: readonly string[],
  options: GitOptions<CredentialName>,
): AllowRule<CredentialName>[] {
  const [, host, path] = /^([^/]+)(\/.*?)(?:\.git)?$/.exec(repository) ?? [];
  if (host === undefined || path === undefined || path.endsWith("/")) {
    const problem = `${JSON.stringify(repository)} is no repository`;
    throw new PolicyError([{ place: "git", problem, fix: "Write host/path, like github.example/acme/app" }]);
  }
  return [path, `${path}.git`].flatMap((path): AllowRule<CredentialName>[] => [
    { host, methods: ["GET"], path: `${path}/info/refs`, query: { service: { required: services } }, ...options },
    ...services.map((service) => ({ host, methods: ["POST"] as const, path: `${path}/${service}`, ...options })),
  ]);
}
