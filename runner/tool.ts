/**
 * How a tool is defined: once, for both of its uses. The agent's definition takes name, description and schema from it
 * (agent-definition.ts), and the virtual machine runs it.
 *
 * The kind says where it runs and what it is given. `api` tools run in the supervisor with a `fetch` of their own
 * principal; `file` and `command` tools run in the executor, which holds no ticket and no privilege.
 */
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool";
import { z } from "zod";
import type { BrokeredFetch } from "./fetch/brokered-fetch.ts";

/** Where a tool runs; the same words as in the policy's lock. */
export type ToolKind = "api" | "file" | "command";

/** What a tool can reach: as itself (`own`), as anything in the sandbox, or nothing. As in the policy's lock. */
export type ToolNetwork = "own" | "sandbox" | "none";

/**
 * What running a call twice does. A result that could not be posted is asked for again after a reconnect or by the next
 * runner, so every tool sees its calls at least once (traps.md 19):
 * `safe` has no effect or the same one, `keyed` sends the call's id for the other side to recognise, and `repeats` acts
 * again.
 */
export type Rerun = "safe" | "keyed" | "repeats";

interface CallContext {
  /** Id of the call; the same when the call is run again. */
  readonly callId: string;
  /** Aborts when the call's time is up, the user interrupts, or the runner must end. */
  readonly signal: AbortSignal;
}

/** What an API tool is given. */
export interface ApiContext extends CallContext {
  /** Sends with this tool's ticket where its policy has a rule for the request, and without everywhere else. */
  readonly fetch: BrokeredFetch;
  /** The variables that were bound when the sandbox was spawned, e.g. `customer`. The model cannot choose them. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What a file tool is given: the workspace and nothing beside it. Paths are relative to it, or start with it. */
export interface FileContext extends CallContext {
  readonly files: WorkspaceFiles;
}

/** What a command tool is given. */
export interface CommandContext extends CallContext {
  readonly run: RunCommand;
}

/** The workspace as file tools see it. Every method throws a message for the model when a path leads outside. */
export interface WorkspaceFiles {
  /** Reads lines `from`..`to` (1-based, inclusive) of a text file; the whole file when neither is given. */
  read(path: string, range?: { from?: number | undefined; to?: number | undefined }): Promise<string>;
  /** Writes a file whole, making its folders. Returns the number of bytes. */
  write(path: string, content: string): Promise<number>;
  /** Lists a folder to a depth, folders with a trailing `/`, sorted. */
  list(path: string, depth: number): Promise<{ entries: string[]; truncated: boolean }>;
}

/** Starts a program in the workspace and waits for its end. Rejects when it was cancelled or ran out of time. */
export type RunCommand = (command: string, args: readonly string[]) => Promise<CommandResult>;

/** How a command ended. */
export interface CommandResult {
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** stdout and stderr as they came; of a long output, the end. */
  readonly output: string;
  /** How many bytes at the start of the output were dropped to keep it within its cap. */
  readonly omittedBytes: number;
}

interface ContextOf {
  api: ApiContext;
  file: FileContext;
  command: CommandContext;
}

interface NetworkOf {
  api: "own";
  file: "none";
  command: "sandbox" | "none";
}

/** What {@link defineTool} takes. */
export interface ToolSpec<Kind extends ToolKind, Input extends z.ZodObject> {
  readonly name: string;
  /** Written for the model: what the tool does, what it returns, what it cannot do. */
  readonly description: string;
  readonly kind: Kind;
  readonly network: NetworkOf[Kind];
  readonly rerun: Rerun;
  /** How long a call may take, in ms; below the 120 s after which the SDK's runner gives up on a tool. */
  readonly timeoutMs?: number;
  readonly input: Input;
  /** Returns the text of the result. What it throws becomes an error result with the error's message. */
  run(input: z.infer<Input>, context: ContextOf[Kind]): Promise<string>;
}

/** A defined tool, with its input's type erased: it is parsed at the door. */
export interface Tool<Kind extends ToolKind = ToolKind> {
  readonly name: string;
  readonly description: string;
  readonly kind: Kind;
  readonly network: ToolNetwork;
  readonly rerun: Rerun;
  readonly timeoutMs: number;
  /** JSON Schema of the input, as the agent's definition takes it. */
  readonly inputSchema: Record<string, unknown> & { type: "object" };
  /** Checks the input and runs. Rejects with zod's error where the input does not fit the schema. */
  run(input: unknown, context: ContextOf[Kind]): Promise<string>;
  /** The tool in the shape that the SDK's runner takes, with its calls sent to `run`. */
  runnable(run: ToolRun): BetaRunnableTool;
}

/** Runs one call: the checked input and what the SDK tells about the call. */
export type ToolRun = (
  input: unknown,
  call: { readonly id: string; readonly signal: AbortSignal | undefined },
) => Promise<string>;

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 110_000;

/**
 * Defines a tool.
 *
 * @throws Error when the name or the time limit is out of bounds: at start, not when Claude calls it.
 *
 * @example
 * ```ts
 * export const countLines = defineTool({
 *   name: "count_lines",
 *   description: "Counts the lines of a file in the workspace.",
 *   kind: "file",
 *   network: "none",
 *   rerun: "safe",
 *   input: z.strictObject({ path: z.string() }),
 *   run: async ({ path }, { files }) => String((await files.read(path)).split("\n").length),
 * });
 * ```
 */
export function defineTool<Kind extends ToolKind, Input extends z.ZodObject>(spec: ToolSpec<Kind, Input>): Tool<Kind> {
  const { name, description, kind, network, rerun, timeoutMs = DEFAULT_TIMEOUT_MS } = spec;
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(name)) {
    throw new Error(`tool name ${JSON.stringify(name)}: use 1 to 128 letters, digits, _ and -`);
  }
  if (!(timeoutMs >= 100 && timeoutMs <= MAX_TIMEOUT_MS)) {
    throw new Error(`tool ${name}: timeoutMs must be between 100 and ${MAX_TIMEOUT_MS}, got ${timeoutMs}`);
  }
  const runnable = (run: ToolRun): BetaRunnableTool =>
    betaZodTool({
      name,
      description,
      inputSchema: spec.input,
      run: (input, context) => {
        // The SDK passes the context on every dispatch; its type allows for callers of `run` that do not.
        if (context === undefined) throw new Error(`tool ${name} was called without a context`);
        return run(input, { id: context.toolUse.id, signal: context.signal ?? undefined });
      },
    });
  // As seen by the caller: a field with a default may be left out. `betaZodTool` would describe the parsed value.
  const inputSchema = z.toJSONSchema(spec.input, { io: "input" }) as Tool["inputSchema"];
  return {
    name,
    description,
    kind,
    network,
    rerun,
    timeoutMs,
    inputSchema,
    run: async (input, context) => spec.run(spec.input.parse(input) as z.infer<Input>, context),
    runnable,
  };
}
