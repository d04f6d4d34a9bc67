/** Sandboxes as the control plane needs them, over `@vercel/sandbox`. */
import { type NetworkPolicy, Sandbox, Snapshot } from "@vercel/sandbox";
import { statusOf } from "./anthropic.ts";
import { CLAIM_TAG, ENVIRONMENT_TAG, RUNNER_TAG } from "./naming.ts";
import { type CommandState, listCommands } from "./sandbox-commands.ts";
import type { SnapshotLike } from "./snapshot-watch.ts";

/** What a sandbox is created with. */
export interface SandboxSpec {
  readonly name: string;
  readonly snapshotId: string;
  /** In force from the sandbox's first packet. */
  readonly networkPolicy: NetworkPolicy;
  /** In ms. */
  readonly timeoutMs: number;
  /** At most five (contracts/vercel-sandbox-api.md §2.5). */
  readonly tags: Readonly<Record<string, string>>;
}

/** A command to start and not wait for, as root. */
export interface DetachedCommand {
  readonly cmd: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * One sandbox. Calls go to the VM that it had when the handle was made, and never resume a stopped one: a resumed VM
 * would run without the runner that is asked about.
 */
export interface SandboxHandle {
  readonly name: string;
  /** Id of the virtual machine; another one after the name was used again. */
  readonly vmId: string;
  readonly running: boolean;
  readonly createdAt: Date;
  readonly tags: Readonly<Record<string, string>>;
  /** Null when there is no such file. */
  readFile(path: string, signal?: AbortSignal): Promise<Buffer | null>;
  /** Returns the command's id. */
  start(command: DetachedCommand, signal?: AbortSignal): Promise<string>;
  /** Exit code of a command; null while it runs; "gone" when the VM is not there any more. */
  exitCode(commandId: string, signal?: AbortSignal): Promise<number | null | "gone">;
  /** Every command that was started in the VM; "gone" when the VM is not there any more. */
  commands(signal?: AbortSignal): Promise<readonly CommandState[] | "gone">;
  /** Replaces all tags. In a call of its own: with a timeout or a policy it could fail half-way (traps.md 33). */
  setTags(tags: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<void>;
  /** Stops the VM and removes the name. Nothing happens to a sandbox that another VM took over meanwhile. */
  discard(signal?: AbortSignal): Promise<void>;
}

/** The sandboxes of this deployment's Vercel project. */
export interface Sandboxes {
  /**
   * @throws SnapshotMissingError when the snapshot expired or was deleted
   * @throws PolicyRefusedError when the API does not take the policy
   * @throws NameTakenError when a sandbox of that name exists
   */
  create(spec: SandboxSpec, signal?: AbortSignal): Promise<SandboxHandle>;
  find(name: string, signal?: AbortSignal): Promise<SandboxHandle | undefined>;
  /** @throws the API's error, with status 404 or 410 when there is no such snapshot */
  snapshot(snapshotId: string, signal?: AbortSignal): Promise<SnapshotLike>;
  /** Names of the session sandboxes of an Anthropic environment. */
  list(environmentId: string, signal?: AbortSignal): Promise<string[]>;
}

/** The snapshot is gone: no session can be served until another one was built. */
export class SnapshotMissingError extends Error {
  override name = "SnapshotMissingError";
}

/** The API does not take the bound policy: no session can be served with it. */
export class PolicyRefusedError extends Error {
  override name = "PolicyRefusedError";
}

/** A sandbox of that name exists already. */
export class NameTakenError extends Error {
  override name = "NameTakenError";
}

/**
 * The real ones. Credentials come from the deployment's OIDC token, which the SDK finds in the request context or in
 * `VERCEL_OIDC_TOKEN`.
 *
 * @param fetch replaces how the SDK reaches the API; handles made here keep it
 */
export function vercelSandboxes(fetch?: typeof globalThis.fetch): Sandboxes {
  const transport = fetch ? { fetch } : {};

  async function find(name: string, signal?: AbortSignal): Promise<SandboxHandle | undefined> {
    try {
      // `resume: false` is the SDK's default, and said here since a resumed VM has no runner.
      return handle(await Sandbox.get({ name, resume: false, ...signalled(signal), ...transport }));
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  function handle(sandbox: Sandbox): SandboxHandle {
    const vm = sandbox.currentSession();
    return {
      name: sandbox.name,
      vmId: vm.sessionId,
      running: vm.status === "running" || vm.status === "pending",
      createdAt: vm.createdAt,
      tags: sandbox.tags ?? {},
      readFile: (path, signal) => vm.readFileToBuffer({ path }, signalled(signal)),
      async start({ cmd, env }, signal) {
        const command = await vm.runCommand({ cmd, env: { ...env }, sudo: true, detached: true, ...signalled(signal) });
        return command.cmdId;
      },
      async exitCode(commandId, signal) {
        try {
          return (await vm.getCommand(commandId, signalled(signal))).exitCode;
        } catch (error) {
          if (isGone(error)) return "gone";
          throw error;
        }
      },
      async commands(signal) {
        try {
          return await listCommands(vm.sessionId, { fetch: fetch ?? globalThis.fetch, ...signalled(signal) });
        } catch (error) {
          if (isGone(error)) return "gone";
          throw error;
        }
      },
      async setTags(tags, signal) {
        await sandbox.update({ tags: { ...tags } }, signalled(signal));
      },
      async discard(signal) {
        // The VM first, by its id. Deleting works by name only, and the name may be another VM's by now.
        await vm.stop(signalled(signal)).catch(ignoreGone);
        const current = await find(sandbox.name, signal);
        if (current?.vmId === vm.sessionId) await sandbox.delete(signalled(signal)).catch(ignoreGone);
      },
    };
  }

  return {
    find,
    snapshot: (snapshotId, signal) => Snapshot.get({ snapshotId, ...signalled(signal), ...transport }),
    async create(spec, signal) {
      const { name, snapshotId, networkPolicy, timeoutMs, tags } = spec;
      try {
        return handle(
          await Sandbox.create({
            name,
            source: { type: "snapshot", snapshotId },
            // Nothing of a session's VM may outlive it: a kept file system would carry one claim's files to the next.
            persistent: false,
            timeout: timeoutMs,
            networkPolicy,
            tags: { ...tags },
            ...signalled(signal),
            ...transport,
          }),
        );
      } catch (error) {
        return await ownOrphan(error, spec, signal);
      }
    },
    async list(environmentId, signal) {
      const tags = { [ENVIRONMENT_TAG]: environmentId };
      const page = await Sandbox.list({ tags, limit: 50, ...signalled(signal), ...transport });
      const names: string[] = [];
      for (const sandbox of await page.toArray()) {
        // Asked for by tag, and looked at again: what is not ours must never be discarded.
        if (sandbox.tags?.[ENVIRONMENT_TAG] === environmentId && sandbox.tags[RUNNER_TAG] !== undefined)
          names.push(sandbox.name);
      }
      return names;
    },
  };

  /**
   * After a failed creation. The SDK repeats a request whose answer was lost, and the repetition then finds the name
   * taken, by the sandbox that it made itself: the claim's tag tells. A duplicate name is 400 or 409 (traps.md 41) and
   * a 400 may be something else, so the name is looked up.
   */
  async function ownOrphan(error: unknown, spec: SandboxSpec, signal?: AbortSignal): Promise<SandboxHandle> {
    const status = statusOf(error);
    if (errorCode(error) === "snapshot_not_found" || status === 404 || status === 410) {
      throw new SnapshotMissingError(
        `snapshot ${spec.snapshotId} does not exist any more (they expire): run \`pulumi up\` to build it again`,
        { cause: error },
      );
    }
    const existing = status === 400 || status === 409 ? await find(spec.name, signal) : undefined;
    if (existing === undefined && status === 400 && /networkPolicy/i.test(apiMessage(error))) {
      // It names the first property that an older form of policies lacks, whatever is really wrong (§1.13).
      throw new PolicyRefusedError(
        `the sandbox API refused the bound network policy (${JSON.stringify(spec.networkPolicy).length} bytes) by its ` +
          "schema; the property that it names is not to be believed: look at the policy's size and at what is new in it",
        { cause: error },
      );
    }
    if (existing === undefined) throw error;
    if (existing.tags[CLAIM_TAG] === spec.tags[CLAIM_TAG]) return existing;
    throw new NameTakenError(`a sandbox named ${spec.name} exists already`, { cause: error });
  }
}

function signalled(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

/** 404: deleted; 410: stopped; 422: stopping (contracts/vercel-sandbox-api.md §2.1). */
function isGone(error: unknown): boolean {
  return [404, 410, 422].includes(statusOf(error) ?? 0);
}

function ignoreGone(error: unknown): void {
  if (!isGone(error)) throw error;
}

function errorCode(error: unknown): unknown {
  return (error as { json?: { error?: { code?: unknown } } } | null)?.json?.error?.code;
}

function apiMessage(error: unknown): string {
  return String((error as { json?: { error?: { message?: unknown } } } | null)?.json?.error?.message ?? "");
}
