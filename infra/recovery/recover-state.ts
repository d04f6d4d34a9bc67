/**
 * Puts a stack in order after an `up` that did not end well, so that the next one neither makes doubles nor loses
 * anything. Our own resources find their remote objects again by themselves. Vercel's cannot: what was made is looked
 * up and entered into the state.
 *
 * Two things are left behind. A killed engine leaves operations of which nobody knows how they ended: pending ones. A
 * killed plugin, or an answer that was lost, leaves nothing at all: the engine took the create for failed, and the
 * next one would meet the object that it made ("already exists"), or make a second one.
 * (`pulumi refresh --import-pending-creates` of 3.259.0 drops the operation without importing anything, and
 * `pulumi import` loses what Vercel does not tell, such as a deployment's files: the next `up` would replace it.)
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { isAlive } from "../engine/is-alive.ts";
import type { RunPulumi } from "../engine/pulumi.ts";
import { failingSince, plannedCreates } from "./failed-update.ts";
import {
  type FoundObject,
  findVercelObject,
  isRecognisable,
  type VercelApi,
  type WantedResource,
} from "./vercel-objects.ts";

export interface StateRecoveryOptions {
  /** Runs the engine on the stack. */
  readonly run: RunPulumi;
  /** Where Vercel's objects are looked up; called only when there is something to look up. */
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
    manifest: z.looseObject({ time: z.string() }).optional(),
    resources: z.array(resource).nullish(),
    pending_operations: z.array(z.looseObject({ type: z.string(), resource })).nullish(),
  }),
});

type Exported = z.infer<typeof exported>;
type Resource = z.infer<typeof resource>;

/** No update takes longer from the begin of an operation to the last time that it wrote its state, in ms. */
const LONGEST_OPERATION_MS = 3_600_000;

/** What the engine says about a lock file without content: its writer was killed before it could rename the file. */
const TORN_LOCK = /unexpected end of JSON input/;

/**
 * @returns what was done, in words; empty when there was nothing to do.
 * @throws when another update is running, or when Vercel or the engine cannot be asked.
 */
export async function recoverState(o: StateRecoveryOptions): Promise<string[]> {
  const vercel = once(typeof o.vercel === "function" ? o.vercel : async () => o.vercel as VercelApi);
  const pending = await settlePending(o, vercel);
  const failed = await adoptOrphans(o, vercel);
  const read = [...pending.read, ...failed.read];
  if (read.length > 0) {
    await must(o.run, ["refresh", "--yes", "--skip-preview", ...read.flatMap((urn) => ["--target", urn])]);
  }
  return [...pending.done, ...failed.done];
}

/** What was done, and the resources whose state must be read from Vercel. */
interface Progress {
  readonly done: string[];
  readonly read: string[];
}

/** Of an engine that was killed: its lock, and operations of which nobody knows how they ended. */
async function settlePending(o: StateRecoveryOptions, vercel: () => Promise<VercelApi>): Promise<Progress> {
  const state = await exportState(o.run);
  const pending = state.deployment.pending_operations ?? [];
  const done: string[] = [];
  const read: string[] = [];
  if (pending.length === 0 && o.locks === false) return { done, read };

  let resources = state.deployment.resources ?? [];
  const since = Date.parse(state.deployment.manifest?.time ?? "") - LONGEST_OPERATION_MS || 0;
  for (const { type, resource: subject } of pending) {
    if (!subject.type.startsWith("vercel:")) {
      done.push(`${label(subject)}: the interrupted operation (${type}) is continued by the next up`);
      continue;
    }
    if (type !== "creating") {
      read.push(subject.urn);
      done.push(`${label(subject)}: was interrupted while ${type}; its state is read again`);
      continue;
    }
    if (!isRecognisable(subject)) {
      throw new Error(
        `${subject.urn} was interrupted while it was made, and nothing tells its object from others. Look for it at ` +
          "Vercel, delete it there if it exists, then: npm run pulumi -- refresh --clear-pending-creates",
      );
    }
    const found = await findVercelObject(await vercel(), subject, { known: idsOf(resources), since });
    if (!found) {
      done.push(`${label(subject)}: was not made yet`);
      continue;
    }
    resources = entered(resources, subject, found);
    read.push(subject.urn);
    done.push(`${label(subject)}: had been made (${found.id}) and is in the state now`);
  }
  // Without pending operations this changes nothing, but it needs the lock, and so shows one that is left over.
  const unlocked = await importState(
    { ...state, deployment: { ...state.deployment, resources, pending_operations: [] } },
    o,
  );
  return { done: [...done, ...unlocked], read };
}

/** Of updates that failed: objects whose creates the engine took for failed. */
async function adoptOrphans(o: StateRecoveryOptions, vercel: () => Promise<VercelApi>): Promise<Progress> {
  const done: string[] = [];
  const read: string[] = [];
  const since = await failingSince(o.run);
  if (since === undefined) return { done, read };
  const planned = await plannedCreates(o.run);
  if (planned === undefined) {
    done.push("what the failed update may have left at Vercel was not looked for: pulumi preview fails too");
    return { done, read };
  }
  const state = await exportState(o.run);
  let resources = state.deployment.resources ?? [];
  for (const subject of planned.filter(isRecognisable)) {
    const found = await findVercelObject(await vercel(), subject, { known: idsOf(resources), since });
    if (!found) continue;
    resources = entered(resources, subject, found);
    read.push(subject.urn);
    done.push(`${label(subject)}: had been made (${found.id}) by the update that failed, and is in the state now`);
  }
  if (read.length > 0) await importState({ ...state, deployment: { ...state.deployment, resources } }, o);
  return { done, read };
}

/** The state's resources with the object that belongs to `subject`. */
function entered(resources: readonly Resource[], subject: WantedResource, { id, ...found }: FoundObject): Resource[] {
  const inputs = { ...subject.inputs, ...found.inputs };
  return [
    // The one that it replaces is deleted by the next up.
    ...resources.map((item) => (item.urn === subject.urn ? { ...item, delete: true } : item)),
    { ...subject, id, inputs, outputs: { ...inputs, id } },
  ];
}

function idsOf(resources: readonly Resource[]): Set<string> {
  return new Set(resources.flatMap((item) => item.id ?? []));
}

async function exportState(run: RunPulumi): Promise<Exported> {
  const { stdout } = await must(run, ["stack", "export"]);
  return exported.parse(JSON.parse(stdout));
}

/** @returns what had to be done about a lock. */
async function importState(state: Exported, o: StateRecoveryOptions): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "handrail-recover-"));
  try {
    const file = join(folder, "stack.json");
    await writeFile(file, JSON.stringify(state), { mode: 0o600 });
    const write = ["stack", "import", "--file", file];
    let first = await o.run(write);
    // An engine that lives has written its lock whole by the second look.
    if (TORN_LOCK.test(first.stderr)) first = await o.run(write);
    if (first.code === 0) return [];
    if (TORN_LOCK.test(first.stderr)) {
      await must(o.run, ["cancel", "--yes"]);
      await must(o.run, write);
      return ["the lock that a dead engine had begun to write was removed"];
    }
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
    await must(o.run, write);
    return [`the lock of the dead engine ${pid} was removed`];
  } finally {
    await rm(folder, { recursive: true });
  }
}

function label({ type, urn }: WantedResource): string {
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

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
