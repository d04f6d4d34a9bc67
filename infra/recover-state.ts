/**
 * Puts a stack in order after an `up` that was killed, so that the next one neither makes doubles nor loses anything.
 *
 * The engine writes down what it is about to create, and forgets whether it happened. Our own resources find their
 * remote objects again by themselves. Vercel's cannot: what was made is looked up and entered into the state.
 * (`pulumi refresh --import-pending-creates` of 3.259.0 drops the operation without importing anything, and
 * `pulumi import` loses what Vercel does not tell, such as a deployment's files: the next `up` would replace it.)
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { findVercelObject, type VercelApi } from "./recover-vercel.ts";

/** Runs the engine on the stack: `infra/engine/pulumi.ts`. */
export type RunPulumi = (args: string[]) => Promise<{ code: number; stdout: string; stderr: string }>;

export interface StateRecoveryOptions {
  readonly run: RunPulumi;
  /** Where Vercel's objects are looked up; called only when an operation on one of them is pending. */
  readonly vercel: VercelApi | (() => Promise<VercelApi>);
  /** Whether the backend keeps locks that a dead engine leaves behind (file backends do). True unless given. */
  readonly locks?: boolean;
  /** Whether a process of this machine is alive; tests pass their own. */
  readonly isAlive?: (pid: number) => boolean;
}

const resource = z.looseObject({
  urn: z.string(),
  type: z.string(),
  id: z.string().optional(),
  inputs: z.record(z.string(), z.unknown()).optional(),
  outputs: z.record(z.string(), z.unknown()).optional(),
  delete: z.boolean().optional(),
});

const exported = z.looseObject({
  deployment: z.looseObject({
    resources: z.array(resource).nullish(),
    pending_operations: z.array(z.looseObject({ type: z.string(), resource })).nullish(),
  }),
});

type Exported = z.infer<typeof exported>;
type Resource = z.infer<typeof resource>;

/**
 * @returns what was done, in words; empty when there was nothing to do.
 * @throws when another update is running, or when Vercel or the engine cannot be asked.
 */
export async function recoverState(o: StateRecoveryOptions): Promise<string[]> {
  const { stdout } = await must(o.run, ["stack", "export"]);
  const state = exported.parse(JSON.parse(stdout));
  const pending = state.deployment.pending_operations ?? [];
  if (pending.length === 0 && o.locks === false) return [];

  const resources = [...(state.deployment.resources ?? [])];
  const done: string[] = [];
  const read: string[] = [];
  for (const { type, resource: subject } of pending) {
    if (!subject.type.startsWith("vercel:")) {
      done.push(`${label(subject)}: the interrupted operation (${type}) is continued by the next up`);
      continue;
    }
    read.push(subject.urn);
    if (type !== "creating") {
      done.push(`${label(subject)}: was interrupted while ${type}; its state is read again`);
      continue;
    }
    const vercel = typeof o.vercel === "function" ? await o.vercel() : o.vercel;
    const id = await findVercelObject(vercel, subject, new Set(resources.flatMap((item) => item.id ?? [])));
    if (id === undefined) {
      read.pop();
      done.push(`${label(subject)}: was not made yet`);
      continue;
    }
    for (const [index, item] of resources.entries()) {
      // The one that it replaces; deleted by the next up.
      if (item.urn === subject.urn) resources[index] = { ...item, delete: true };
    }
    resources.push({ ...subject, id, outputs: { ...subject.inputs, id } });
    done.push(`${label(subject)}: had been made (${id}) and is in the state now`);
  }

  // Without pending operations this changes nothing, but it needs the lock, and so shows one that is left over.
  done.push(
    ...(await importState({ ...state, deployment: { ...state.deployment, resources, pending_operations: [] } }, o)),
  );
  if (read.length > 0) {
    await must(o.run, ["refresh", "--yes", "--skip-preview", ...read.flatMap((urn) => ["--target", urn])]);
  }
  return done;
}

/** @returns what had to be done about a lock. */
async function importState(state: Exported, o: StateRecoveryOptions): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "handrail-recover-"));
  try {
    const file = join(folder, "stack.json");
    await writeFile(file, JSON.stringify(state), { mode: 0o600 });
    const first = await o.run(["stack", "import", "--file", file]);
    if (first.code === 0) return [];
    const holder = /created by \S+@(\S+) \(pid (\d+)\)/.exec(first.stderr + first.stdout);
    if (!holder) throw failed(["stack", "import"], first);
    const [, host, pid] = holder;
    if (host !== hostname()) {
      throw new Error(`the stack is locked by process ${pid} on ${host}; when it is dead: npm run pulumi -- cancel`);
    }
    if ((o.isAlive ?? isAlive)(Number(pid))) {
      throw new Error(`another update of the stack is running (process ${pid}); wait for it, or end it`);
    }
    await must(o.run, ["cancel", "--yes"]);
    await must(o.run, ["stack", "import", "--file", file]);
    return [`the lock of the dead engine ${pid} was removed`];
  } finally {
    await rm(folder, { recursive: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function label({ type, urn }: Resource): string {
  return `${type.split(":").at(-1)} ${urn.split("::").at(-1)}`;
}

async function must(run: RunPulumi, args: string[]): ReturnType<RunPulumi> {
  const result = await run(args);
  if (result.code !== 0) throw failed(args, result);
  return result;
}

function failed(args: readonly string[], { code, stdout, stderr }: Awaited<ReturnType<RunPulumi>>): Error {
  return new Error(`pulumi ${args.slice(0, 2).join(" ")} ended with ${code}:\n${stderr || stdout}`);
}
