/**
 * The executor: runs the file and command tools of one agent, as an unprivileged user, on the supervisor's calls.
 *
 * It is started in namespaces of its own (supervisor/isolation.ts) and says first what it is. It knows nothing worth
 * stealing: no ticket, no id of the session, no variable.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { stat } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import type { Readable, Writable } from "node:stream";
import type { CommandContext, FileContext, Tool } from "../tool.ts";
import { changeable } from "./changeable.ts";
import { createRunCommand } from "./commands.ts";
import { openWorkspace } from "./files.ts";
import { type FromExecutor, lines, MAX_RESULT_CHARS, parseToExecutor, type Ready } from "./protocol.ts";

/** What {@link runExecutor} needs. */
export interface ExecutorOptions {
  /** The agent's tools of the kind that is served here. What serves file tools must not start programs. */
  readonly tools: readonly Tool[];
  readonly workspace: string;
  /** The environment that commands get, whole. */
  readonly commandEnv: Readonly<Record<string, string>>;
  /** Kills every other process of this PID namespace. Absent where the namespace is shared with others. */
  readonly sweep?: () => void;
  /** Absolute paths that nothing here may be able to change: what the supervisor runs. */
  readonly unchangeable: readonly string[];
  readonly input: Readable;
  readonly output: Writable;
}

/** Serves calls until the input ends. Running calls are then cancelled. */
export async function runExecutor(options: ExecutorOptions): Promise<void> {
  const { input, output } = options;
  const tools = new Map(options.tools.map((tool) => [tool.name, tool]));
  const running = new Map<string, AbortController>();
  const send = (message: FromExecutor) => output.write(`${JSON.stringify(message)}\n`);

  const call = async (id: string, name: string, toolInput: unknown) => {
    const controller = new AbortController();
    running.set(id, controller);
    let ok = true;
    let text: string;
    try {
      text = await runTool(tools.get(name), name, toolInput, id, controller.signal, options);
    } catch (error) {
      ok = false;
      text = error instanceof Error ? error.message : "the tool failed";
    }
    running.delete(id);
    send({ type: "result", id, ok, text: text.slice(-MAX_RESULT_CHARS) });
  };

  // Starts the threads that file access takes, which could not be had once commands have used up what their user may.
  await stat(options.workspace);
  send(describeSelf(options.unchangeable));
  for await (const line of lines(input)) {
    const message = parseToExecutor(line);
    if (message.type === "call") void call(message.id, message.tool, message.input);
    else running.get(message.id)?.abort(new Error(message.reason));
  }
  for (const controller of running.values()) controller.abort(new Error("the runner ended"));
}

function runTool(
  tool: Tool | undefined,
  name: string,
  input: unknown,
  callId: string,
  signal: AbortSignal,
  options: ExecutorOptions,
): Promise<string> {
  const { workspace, commandEnv: env, sweep } = options;
  if (tool?.kind === "file") {
    return (tool as Tool<"file">).run(input, {
      callId,
      signal,
      files: openWorkspace(workspace, signal),
    } satisfies FileContext);
  }
  if (tool?.kind === "command") {
    const run = createRunCommand({ workspace, env, signal, ...(sweep ? { sweep } : {}) });
    return (tool as Tool<"command">).run(input, { callId, signal, run } satisfies CommandContext);
  }
  throw new Error(`the executor has no tool ${name}`);
}

/** What this process is, as the kernel says it. */
function describeSelf(unchangeable: readonly string[]): Ready {
  const status = Object.fromEntries(
    readFileSync("/proc/self/status", "utf8")
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
  ) as Record<string, string>;
  const {
    Uid = "",
    Gid = "",
    Groups = "",
    NoNewPrivs,
    CapEff = "",
    CapPrm = "",
    CapInh = "",
    CapBnd = "",
    CapAmb = "",
  } = status;
  return {
    type: "ready",
    uid: Number.parseInt(Uid, 10),
    gid: Number.parseInt(Gid, 10),
    groups: Groups.split(/\s+/).filter(Boolean).map(Number),
    noNewPrivileges: NoNewPrivs === "1",
    capabilities: { effective: CapEff, permitted: CapPrm, inheritable: CapInh, bounding: CapBnd, ambient: CapAmb },
    pidNamespace: readlinkSync("/proc/self/ns/pid"),
    networkNamespace: readlinkSync("/proc/self/ns/net"),
    loopback: Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ internal }) => internal)),
    changeable: changeable(unchangeable),
  };
}
