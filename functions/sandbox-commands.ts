/** The commands of a virtual machine. The API lists them (contracts/vercel-sandbox-api.md §2.3), the SDK does not. */
import { getVercelOidcToken } from "@vercel/functions/oidc";
import { z } from "zod";

/** One command as the control plane needs it. */
export interface CommandState {
  readonly id: string;
  /** Null while it runs. */
  readonly exitCode: number | null;
}

/** The API did not list a machine's commands. The message holds nothing of its answer but the status. */
export class CommandListError extends Error {
  override name = "CommandListError";
  readonly status: number;

  constructor(status: number, what: string) {
    super(`the sandbox API did not list a machine's commands: ${what}`);
    this.status = status;
  }
}

const answer = z.object({ commands: z.array(z.object({ id: z.string(), exitCode: z.number().nullish() })) });
const claims = z.object({ owner_id: z.string() });

/**
 * Every command that was started in a machine, through the API, since it runs.
 *
 * Authorised as the SDK authorises itself on the platform: by the deployment's OIDC token, whose owner is the team.
 *
 * @throws CommandListError when the API says no or answers with something else; its `status` is the answer's
 */
export async function listCommands(
  vmId: string,
  o: { fetch: typeof globalThis.fetch; signal?: AbortSignal },
): Promise<CommandState[]> {
  const token = await getVercelOidcToken();
  const { owner_id: team } = claims.parse(JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()));
  const url = `https://vercel.com/api/v2/sandboxes/sessions/${encodeURIComponent(vmId)}/cmd?teamId=${encodeURIComponent(team)}`;
  const response = await o.fetch(url, {
    headers: { authorization: `Bearer ${token}`, accept: "application/json" },
    redirect: "error",
    signal: o.signal ?? AbortSignal.timeout(15_000),
  });
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw new CommandListError(response.status, `it answered ${response.status}`);
  const parsed = answer.safeParse(body);
  if (!parsed.success) throw new CommandListError(response.status, "its answer is not a list of commands");
  return parsed.data.commands.map(({ id, exitCode }) => ({ id, exitCode: exitCode ?? null }));
}
