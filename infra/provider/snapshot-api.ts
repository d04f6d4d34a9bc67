/** Vercel Sandbox as far as a snapshot needs it, over the real SDK. */
import { APIError, type NetworkPolicy, Sandbox, Snapshot } from "@vercel/sandbox";
import { sandboxApiFetch } from "../../functions/sandbox-api.ts";
import type { OperationContext } from "./definition.ts";
import { requireConfig } from "./provider-config.ts";

export interface SnapshotInfo {
  readonly id: string;
  readonly expiresAt: Date | undefined;
}

export interface Command {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly sudo: boolean;
}

/** A sandbox in which a snapshot is made. */
export interface Builder {
  write(files: { path: string; content: Uint8Array; mode: number }[]): Promise<void>;
  /** @throws with the end of its output when it does not exit with 0. */
  run(command: Command): Promise<void>;
  /** Stops the sandbox. */
  snapshot(expirationMs: number): Promise<SnapshotInfo>;
}

export interface BuilderOptions {
  readonly name: string;
  readonly image: string | undefined;
  readonly networkPolicy: NetworkPolicy;
  readonly tags: Record<string, string>;
  readonly timeoutMs: number;
}

export interface SnapshotApi {
  /** Undefined when it does not exist, or no longer. */
  get(snapshotId: string): Promise<SnapshotInfo | undefined>;
  delete(snapshotId: string): Promise<void>;
  /** The newest usable snapshot of a builder that still exists; `"none"` when the builder has made none. */
  leftBy(builder: string): Promise<SnapshotInfo | "none" | undefined>;
  createBuilder(options: BuilderOptions): Promise<Builder>;
  /** Removes the builder and, with `snapshots`, those that it made. */
  deleteBuilder(name: string, o?: { snapshots: boolean }): Promise<void>;
}

/** Longest pause between two looks at a running command, in ms. A held request would be cut after five minutes. */
const MAX_POLL_MS = 2000;
const OUTPUT_TAIL = 2000;

export function snapshotApi(projectId: string, context: OperationContext): SnapshotApi {
  const { signal } = context;
  const { vercelToken, vercelTeamId } = requireConfig(context.config, "vercelToken", "vercelTeamId");
  const { sandboxApiUrl } = context.config;
  const connection = {
    token: vercelToken,
    teamId: vercelTeamId,
    projectId,
    fetch: sandboxApiUrl === undefined ? context.fetch : sandboxApiFetch(sandboxApiUrl, context.fetch),
    signal,
  };

  async function get(snapshotId: string): Promise<SnapshotInfo | undefined> {
    const found = await unlessGone(Snapshot.get({ ...connection, snapshotId }));
    return found?.status === "created" ? info(found.snapshotId, found.expiresAt) : undefined;
  }

  return {
    get,

    async delete(snapshotId) {
      const found = await unlessGone(Snapshot.get({ ...connection, snapshotId }));
      if (found?.status === "created") await unlessGone(found.delete({ signal }));
    },

    async leftBy(name) {
      if (!(await unlessGone(Sandbox.get({ ...connection, name })))) return undefined;
      const page = await Snapshot.list({ ...connection, name });
      const usable = page.snapshots
        .filter((item) => item.status === "created" && (item.expiresAt ?? Infinity) > context.now())
        .sort((a, b) => b.createdAt - a.createdAt)[0];
      return usable ? info(usable.id, usable.expiresAt === undefined ? undefined : new Date(usable.expiresAt)) : "none";
    },

    async createBuilder({ name, image, networkPolicy, tags, timeoutMs }) {
      const sandbox = await Sandbox.create({
        ...connection,
        name,
        ...(image !== undefined && { image }),
        networkPolicy,
        tags,
        timeout: timeoutMs,
        // The only snapshot that this sandbox may leave is the finished one.
        persistent: false,
        ports: [],
      });
      return builder(sandbox, context);
    },

    async deleteBuilder(name, o) {
      // Also when the operation was cancelled: the builder costs money until it times out.
      const cleanup = { ...connection, signal: signal.aborted ? AbortSignal.timeout(10_000) : signal };
      const sandbox = await unlessGone(Sandbox.get({ ...cleanup, name }));
      await unlessGone(
        sandbox?.delete({ deleteOrphanSnapshots: o?.snapshots ?? false, signal: cleanup.signal }) ?? Promise.resolve(),
      );
    },
  };
}

function builder(sandbox: Sandbox, context: OperationContext): Builder {
  const { signal } = context;
  return {
    write: (files) => sandbox.writeFiles(files, { signal }),

    async run({ cmd, args, sudo }) {
      const started = await sandbox.runCommand({ cmd, args: [...args], sudo, detached: true, signal });
      let command: { exitCode: number | null; output: typeof started.output } = started;
      for (let wait = 50; command.exitCode === null; wait = Math.min(wait * 2, MAX_POLL_MS)) {
        await context.sleep(wait, signal);
        command = await sandbox.getCommand(started.cmdId, { signal });
      }
      if (command.exitCode === 0) return;
      const output = (await command.output("both", { signal })).trim().slice(-OUTPUT_TAIL);
      throw new Error(`the set-up step \`${[cmd, ...args].join(" ")}\` ended with ${command.exitCode}:\n${output}`);
    },

    async snapshot(expirationMs) {
      const made = await sandbox.snapshot({ expiration: expirationMs, signal });
      return info(made.snapshotId, made.expiresAt);
    },
  };
}

function info(id: string, expiresAt: Date | undefined): SnapshotInfo {
  return { id, expiresAt };
}

/** 404, and 410 for what existed once, as undefined. */
async function unlessGone<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof APIError && (error.response.status === 404 || error.response.status === 410)) return undefined;
    throw error;
  }
}
