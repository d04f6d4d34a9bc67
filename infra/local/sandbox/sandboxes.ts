import { randomBytes } from "node:crypto";
import type { NetworkPolicy } from "@vercel/sandbox";
import type { DecisionLog } from "../firewall/decisions.ts";
import { type Authority, createFirewall, type Evaluate } from "../firewall/firewall.ts";
import { createResolver, serveTcp, serveUdp } from "../firewall/names.ts";
import { ApiError, badRequest, notFound } from "./api-error.ts";
import { type Command, startCommand } from "./command.ts";
import { DEFAULT_CWD, DEFAULT_UID } from "./disk.ts";
import { bootFiles, presetEnvironment } from "./guest-files.ts";
import type { SandboxHost } from "./host.ts";
import { GuestStartError, type Machine } from "./machine.ts";
import { FIREWALL_ADDRESS } from "./network.ts";
import type { Sandbox, Session, Status } from "./records.ts";
import { type CommandBody, type CreateBody, LONGEST_TIMEOUT, type UpdateBody } from "./requests.ts";
import type { Snapshot, SnapshotStore } from "./snapshots.ts";

/** Time as this server sees it. */
export interface Clock {
  /** Epoch ms. */
  now(): number;
  /** Calls back once after so many ms; the answer cancels. */
  after(ms: number, callback: () => void): () => void;
}

export interface SandboxesOptions {
  host: SandboxHost;
  snapshots: SnapshotStore;
  clock: Clock;
  origins: { resolve(host: string): URL | undefined };
  /** PEM of the authority that stands for the public ones. */
  publicCa: string;
  createAuthority(): Promise<Authority>;
  evaluate: Evaluate;
  decisions: DecisionLog;
  /** Makes the token of a forwarded request. */
  identify(audience: string, claims: { project_id: string; sandbox_id: string; sandbox_name: string }): string;
  /** Project of a call that names none. */
  projectId: string;
  log(message: string, fields: Record<string, unknown>): void;
}

/** ms; what the platform gives when nothing is said. */
const DEFAULT_TIMEOUT = 300_000;
const DEFAULT_VCPUS = 2;
/** ms; the documented default of 30 days (contracts/vercel-sandbox-api.md §3). */
const SNAPSHOT_LIFETIME = 30 * 86_400_000;

/** Names are unique per project. */
const keyOf = (projectId: string, name: string) => `${projectId}/${name}`;
const id = (prefix: string) => `${prefix}_${randomBytes(12).toString("hex")}`;

/** The life of sandboxes: created, run, stopped, resumed, forgotten. */
export function createSandboxes(options: SandboxesOptions) {
  const { host, snapshots, clock } = options;
  const sandboxes = new Map<string, Sandbox>();
  const sessions = new Map<string, Session>();
  const reserved = new Set<string>();

  function setStatus(session: Session, status: Status): void {
    session.status = status;
    session.updatedAt = clock.now();
    session.sandbox.statusUpdatedAt = session.updatedAt;
    options.log(`session ${status}`, { sandbox: session.sandbox.name, session: session.id });
  }

  /** Boots a machine for a sandbox; the policy holds from its first packet. */
  async function boot(sandbox: Omit<Sandbox, "session">, snapshotId: string | undefined): Promise<Session> {
    const now = clock.now();
    const session: Session = {
      id: id("sbx"),
      sandbox: sandbox as Sandbox,
      status: "pending",
      timeout: sandbox.timeout,
      vcpus: sandbox.vcpus,
      policy: sandbox.policy,
      requestedAt: now,
      updatedAt: now,
      ...(snapshotId !== undefined && { sourceSnapshotId: snapshotId }),
      commands: new Map(),
    };
    const disk = snapshotId === undefined ? undefined : snapshots.disk(snapshotId);
    const authority = await options.createAuthority();
    const firewall = createFirewall({
      sandbox: sandbox.name,
      sessionId: session.id,
      policy: session.policy,
      authority,
      origins: options.origins,
      trusted: [options.publicCa],
      evaluate: options.evaluate,
      decisions: options.decisions,
      identify: (audience) =>
        options.identify(audience, {
          project_id: sandbox.projectId,
          sandbox_id: session.id,
          sandbox_name: sandbox.name,
        }),
      now: clock.now,
    });
    const hostname = "sandbox";
    const started = await host.start({
      sessionId: session.id,
      hostname,
      files: bootFiles(hostname, authority.caPem, options.publicCa),
      ...(disk !== undefined && { from: disk }),
    });
    const resolver = createResolver(firewall.resolves, FIREWALL_ADDRESS);
    started.network.onTls(firewall.accept);
    started.network.onPlain(firewall.acceptPlain);
    started.network.onDnsTcp((socket) => serveTcp(socket, resolver));
    serveUdp(started.network.dnsUdp, resolver);
    session.live = { started, firewall, disarm: () => {} };
    session.startedAt = clock.now();
    (sandbox as Sandbox).session = session;
    sessions.set(session.id, session);
    setStatus(session, "running");
    arm(session);
    started.machine.failed.catch(() => end(session, "failed").catch(() => {}));
    return session;
  }

  function arm(session: Session): void {
    if (!session.live) return;
    session.live.disarm();
    const left = (session.startedAt ?? session.requestedAt) + session.timeout - clock.now();
    session.live.disarm = clock.after(Math.max(0, left), () => {
      options.log("session reached its timeout", { sandbox: session.sandbox.name, session: session.id });
      end(session, "stopped").catch(() => {});
    });
  }

  /** Ends a session once; the snapshot, if any, is taken of the disk of the stopped machine. */
  function end(
    session: Session,
    to: "stopped" | "failed" | "aborted",
    take?: { expiration?: number },
  ): Promise<Snapshot | undefined> {
    session.ending ??= (async () => {
      const { live, sandbox } = session;
      if (!live) return undefined;
      session.requestedStopAt = clock.now();
      setStatus(session, take ? "snapshotting" : "stopping");
      live.disarm();
      live.firewall.close();
      live.started.network.close();
      await live.started.machine.stop();
      delete session.live;
      try {
        if (!take && (to !== "stopped" || !sandbox.persistent)) return undefined;
        return await keepSnapshot(session, live.started.disk, take);
      } finally {
        await live.started.removeDisk();
        session.stoppedAt = clock.now();
        setStatus(session, to);
      }
    })();
    return session.ending;
  }

  async function keepSnapshot(session: Session, disk: string, take?: { expiration?: number }): Promise<Snapshot> {
    const { sandbox } = session;
    const now = clock.now();
    const lifetime = take?.expiration ?? sandbox.snapshotExpiration ?? SNAPSHOT_LIFETIME;
    const snapshot = await snapshots.keep(
      {
        id: id("snap"),
        sourceSessionId: session.id,
        projectId: sandbox.projectId,
        sandbox: sandbox.name,
        createdAt: now,
        creationMethod: take ? "manual" : "auto",
        ...(lifetime > 0 && { expiresAt: now + lifetime }),
      },
      disk,
    );
    session.snapshottedAt = now;
    sandbox.currentSnapshotId = snapshot.id;
    sandbox.updatedAt = now;
    const kept = sandbox.keepLastSnapshots?.count;
    if (kept !== undefined) {
      const older = snapshots.list(sandbox.projectId, sandbox.name).toSorted((a, b) => b.createdAt - a.createdAt);
      for (const each of older.filter((other) => other.id !== snapshot.id).slice(kept - 1))
        await snapshots.delete(each.id);
    }
    return snapshot;
  }

  function getSandbox(name: string, projectId = options.projectId): Sandbox {
    const sandbox = sandboxes.get(keyOf(projectId, name));
    if (!sandbox) throw notFound(`Sandbox ${name}`);
    return sandbox;
  }

  function getSession(sessionId: string): Session {
    const session = sessions.get(sessionId);
    if (!session) throw notFound(`Session ${sessionId}`);
    return session;
  }

  /** A session that can be worked in, or the platform's way of saying why not. */
  function getLive(sessionId: string): Session & Required<Pick<Session, "live">> {
    const session = getSession(sessionId);
    if (session.status === "running" && session.live) return session as Session & Required<Pick<Session, "live">>;
    if (session.status === "stopping") throw new ApiError(422, "sandbox_stopping", "The sandbox is stopping.");
    if (session.status === "snapshotting")
      throw new ApiError(422, "sandbox_snapshotting", "The sandbox is being snapshotted.");
    throw new ApiError(410, "sandbox_stopped", "The sandbox has stopped.");
  }

  async function create(body: CreateBody): Promise<Sandbox> {
    const name = body.name ?? `sandbox-${randomBytes(6).toString("hex")}`;
    const projectId = body.projectId ?? options.projectId;
    const key = keyOf(projectId, name);
    if (sandboxes.has(key) || reserved.has(key)) {
      throw badRequest(`A sandbox named ${name} already exists in this project: get it by its name instead.`);
    }
    reserved.add(key);
    try {
      const now = clock.now();
      const source = body.source?.snapshotId;
      const sandbox: Omit<Sandbox, "session"> = {
        name,
        projectId,
        persistent: body.persistent ?? true,
        timeout: body.timeout ?? DEFAULT_TIMEOUT,
        vcpus: body.resources?.vcpus ?? DEFAULT_VCPUS,
        policy: body.networkPolicy ?? "allow-all",
        env: body.env ?? {},
        tags: body.tags,
        createdAt: now,
        updatedAt: now,
        statusUpdatedAt: now,
        ...(body.runtime !== undefined && { runtime: body.runtime }),
        ...(body.image !== undefined && { image: body.image }),
        ...(body.snapshotExpiration !== undefined && { snapshotExpiration: body.snapshotExpiration }),
        ...(body.keepLastSnapshots && {
          keepLastSnapshots: body.keepLastSnapshots as NonNullable<Sandbox["keepLastSnapshots"]>,
        }),
        ...(source !== undefined && { sourceSnapshotId: source }),
      };
      const session = await boot(sandbox, source);
      sandboxes.set(key, session.sandbox);
      return session.sandbox;
    } finally {
      reserved.delete(key);
    }
  }

  const resuming = new Map<Sandbox, Promise<Session>>();

  /** Boots a stopped sandbox again from what it was; one boot however many ask. */
  async function resume(sandbox: Sandbox): Promise<boolean> {
    const { session } = sandbox;
    if (session.live && !session.ending) return false;
    await session.ending;
    const under = resuming.get(sandbox);
    if (under) return under.then(() => true);
    if (sandbox.session !== session) return true;
    if (!sandbox.persistent)
      throw new ApiError(410, "sandbox_stopped", "The sandbox has stopped and keeps nothing to resume from.");
    const booting = boot(sandbox, sandbox.currentSnapshotId ?? sandbox.sourceSnapshotId);
    resuming.set(sandbox, booting);
    try {
      await booting;
      return true;
    } finally {
      resuming.delete(sandbox);
    }
  }

  async function run(session: Session & Required<Pick<Session, "live">>, body: CommandBody): Promise<Command> {
    const spec = {
      cmd: body.command,
      args: body.args,
      env: { ...presetEnvironment(body.sudo), ...session.sandbox.env, ...body.env },
      cwd: body.cwd ?? DEFAULT_CWD,
      uid: userOf(body.sudo),
    };
    const about = { id: id("cmd"), sessionId: session.id, timeout: body.timeout, now: clock.now };
    try {
      const command = await startCommand(session.live.started.machine, spec, about);
      session.commands.set(command.id, command);
      command.finished.catch(() => {});
      return command;
    } catch (error) {
      if (!(error instanceof GuestStartError)) throw error;
      if (error.missing === "cwd") throw badRequest(error.message);
      throw new ApiError(410, "sandbox_stopped", "The sandbox has stopped.");
    }
  }

  function userOf(sudo: boolean): number | null {
    return sudo || host.executorMode === "pidns" ? null : DEFAULT_UID;
  }

  function update(sandbox: Sandbox, body: UpdateBody): void {
    const { resources, networkPolicy, ...rest } = body;
    const changes = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    if (rest.currentSnapshotId !== undefined) snapshots.get(rest.currentSnapshotId);
    Object.assign(sandbox, changes, {
      updatedAt: clock.now(),
      ...(networkPolicy !== undefined && { policy: networkPolicy }),
      ...(resources && { vcpus: resources.vcpus }),
    });
  }

  return {
    create,
    resume,
    run,
    update,
    getSandbox,
    getSession,
    getLive,
    list: (projectId = options.projectId) => [...sandboxes.values()].filter((each) => each.projectId === projectId),
    listSessions: (projectId = options.projectId, name?: string) =>
      [...sessions.values()].filter(
        ({ sandbox }) => sandbox.projectId === projectId && (name === undefined || sandbox.name === name),
      ),
    listSnapshots: (projectId = options.projectId, name?: string) => snapshots.list(projectId, name),
    /** Of every project, the latest created last. */
    everyNamed: (name: string) => [...sandboxes.values()].filter((each) => each.name === name),
    /** What runs in the machine for the API's file calls, as the default user. */
    fileTool(
      session: Session & Required<Pick<Session, "live">>,
      spec: Omit<Parameters<Machine["run"]>[0], "env" | "uid">,
    ) {
      const env = { PATH: presetEnvironment(false).PATH ?? "", LC_ALL: "C" };
      return session.live.started.machine.run({ ...spec, env, uid: userOf(false) });
    },
    stop: (session: Session) => end(session, "stopped"),
    snapshot: (session: Session, expiration: number | undefined) =>
      end(session, "stopped", expiration === undefined ? {} : { expiration }),
    setPolicy(session: Session & Required<Pick<Session, "live">>, policy: NetworkPolicy): void {
      session.policy = policy;
      session.updatedAt = clock.now();
      session.live.firewall.setPolicy(policy);
    },
    /** @throws ApiError 400 when no plan has sessions that long. */
    extend(session: Session, duration: number): void {
      if (session.timeout + duration > LONGEST_TIMEOUT) {
        throw badRequest(
          `Invalid request: \`duration\` would make the timeout ${session.timeout + duration} ms, and the longest is ${LONGEST_TIMEOUT} ms.`,
        );
      }
      session.timeout += duration;
      session.updatedAt = clock.now();
      arm(session);
    },
    async remove(sandbox: Sandbox, withSnapshots: boolean): Promise<void> {
      sandboxes.delete(keyOf(sandbox.projectId, sandbox.name));
      await end(sandbox.session, "aborted");
      if (withSnapshots)
        for (const each of snapshots.list(sandbox.projectId, sandbox.name)) await snapshots.delete(each.id);
    },
    async close(): Promise<void> {
      await Promise.allSettled([...sessions.values()].map((session) => end(session, "aborted")));
    },
  };
}

export type Sandboxes = ReturnType<typeof createSandboxes>;
