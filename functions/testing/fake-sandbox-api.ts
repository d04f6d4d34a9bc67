/** The part of the Vercel Sandbox API that the control plane calls, for tests (contracts/vercel-sandbox-api.md §2). */
import { type Call, type Reply, startServer, type TestServer } from "./http.ts";

/** A sandbox in the fake. */
export interface FakeSandbox {
  name: string;
  vmId: string;
  status: string;
  createdAt: number;
  tags: Record<string, string>;
  networkPolicy: unknown;
  created: Record<string, unknown>;
  commands: Map<string, { exitCode: number | null; body: Record<string, unknown> }>;
}

/** The fake's state, to be set up and looked at. */
export interface FakeSandboxApi extends TestServer {
  readonly sandboxes: Map<string, FakeSandbox>;
  /** Files in every sandbox. */
  readonly files: Map<string, string>;
  readonly snapshots: Set<string>;
  /** Epoch ms; undefined: they do not expire. */
  snapshotExpiresAt: number | undefined;
  duplicateNameStatus: number;
  /** What the last command of a sandbox was given as its handover. */
  handoverOf(name: string): string;
  /** Ends the last command of a sandbox. */
  exit(name: string, code: number): void;
}

export async function startFakeSandboxApi(): Promise<FakeSandboxApi> {
  const sandboxes: FakeSandboxApi["sandboxes"] = new Map();
  const files: FakeSandboxApi["files"] = new Map();
  const snapshots: FakeSandboxApi["snapshots"] = new Set();
  let ids = 0;
  const problem = (status: number, code: string, message: string): Reply => ({
    status,
    body: { error: { code, message } },
  });
  const wireSandbox = ({ name, vmId, status, createdAt, tags }: FakeSandbox) => {
    return { name, persistent: false, createdAt, updatedAt: createdAt, currentSessionId: vmId, status, tags };
  };
  const wireSession = ({ vmId, status, createdAt }: FakeSandbox) => ({
    ...{ id: vmId, memory: 2048, vcpus: 1, region: "iad1", timeout: 1000, status, cwd: "/workspace" },
    ...{ requestedAt: createdAt, createdAt, updatedAt: createdAt },
  });
  const whole = (box: FakeSandbox): Reply => ({
    status: 200,
    body: { sandbox: wireSandbox(box), session: wireSession(box), routes: [] },
  });

  function create(body: Record<string, unknown>): Reply {
    const name = String(body.name);
    const source = body.source as { snapshotId: string };
    if (!snapshots.has(source.snapshotId)) return problem(410, "snapshot_not_found", "the snapshot expired");
    if (sandboxes.has(name)) return problem(server.duplicateNameStatus, "bad_request", `${name} exists: GET it`);
    const box: FakeSandbox = {
      ...{ name, vmId: `sbx_${++ids}`, status: "running", createdAt: Date.now(), created: body },
      tags: body.tags as Record<string, string>,
      networkPolicy: body.networkPolicy,
      commands: new Map(),
    };
    sandboxes.set(name, box);
    return whole(box);
  }

  function snapshot(id: string): Reply {
    if (!snapshots.has(id)) return problem(404, "not_found", "no such snapshot");
    const { snapshotExpiresAt: expiresAt } = server;
    const made = { id, sourceSessionId: "sbx_0", region: "iad1", status: "created", sizeBytes: 1, expiresAt };
    return { status: 200, body: { snapshot: { ...made, createdAt: 1, updatedAt: 1 } } };
  }

  function vm(call: Call, id: string, verb: string | undefined, commandId: string | undefined): Reply {
    const box = [...sandboxes.values()].find(({ vmId }) => vmId === id);
    if (box === undefined) return problem(404, "not_found", "no such session");
    if (box.status !== "running") return problem(410, "sandbox_stopped", "it was stopped");
    const command = (key: string, exitCode: number | null) => ({
      command: { id: key, name: "boot.sh", args: [], cwd: "/", sessionId: id, exitCode, startedAt: box.createdAt },
    });
    if (verb === "stop") {
      box.status = "stopped";
      return { status: 200, body: { session: wireSession(box) } };
    }
    if (verb === "fs") {
      const content = files.get((call.body as { path: string }).path);
      return content === undefined ? problem(404, "not_found", "no") : { status: 200, body: Buffer.from(content) };
    }
    if (verb === "cmd" && call.method === "POST") {
      const key = `cmd_${++ids}`;
      box.commands.set(key, { exitCode: null, body: call.body as Record<string, unknown> });
      return { status: 200, body: command(key, null) };
    }
    if (commandId === undefined) {
      const all = [...box.commands].map(([key, { exitCode }]) => command(key, exitCode).command);
      return { status: 200, body: { commands: all } };
    }
    const found = box.commands.get(commandId);
    if (found === undefined) return problem(404, "not_found", "no such command");
    return { status: 200, body: command(commandId, found.exitCode) };
  }

  const base = await startServer((call) => {
    const { method, path, body, query } = call;
    if (method === "POST" && path === "/v3/sandboxes") return create(body as Record<string, unknown>);
    const [, , , name, id, verb, commandId] = path.split("/");
    if (name === undefined) {
      const [key, value] = (query.get("tags") ?? ":").split(":");
      const found = [...sandboxes.values()].filter(({ tags }) => tags[key ?? ""] === value);
      return {
        status: 200,
        body: { sandboxes: found.map(wireSandbox), pagination: { count: found.length, next: null } },
      };
    }
    if (name === "snapshots") return snapshot(id ?? "");
    if (name === "sessions") return vm(call, id ?? "", verb, commandId);
    const box = sandboxes.get(name);
    if (box === undefined) return problem(404, "not_found", "no such sandbox");
    if (method === "PATCH") box.tags = (body as { tags?: Record<string, string> }).tags ?? box.tags;
    if (method === "DELETE") sandboxes.delete(name);
    return method === "GET" ? whole(box) : { status: 200, body: { sandbox: wireSandbox(box) } };
  });
  function lastCommand(name: string) {
    const last = [...(sandboxes.get(name)?.commands.values() ?? [])].at(-1);
    if (last === undefined) throw new Error(`no command ran in ${name}`);
    return last;
  }

  const server: FakeSandboxApi = Object.assign(base, {
    sandboxes,
    files,
    snapshots,
    snapshotExpiresAt: undefined,
    duplicateNameStatus: 400,
    handoverOf: (name: string) => (lastCommand(name).body.env as Record<string, string>).HANDRAIL_HANDOVER ?? "",
    exit(name: string, code: number) {
      lastCommand(name).exitCode = code;
    },
  });
  return server;
}
