/**
 * A real model as the brain of agents that have no script. It keeps nothing of its own: each turn is asked for with what
 * the session has recorded.
 */
import Anthropic from "@anthropic-ai/sdk";
import { betaAgentToolset20260401 } from "@anthropic-ai/sdk/tools/agent-toolset/node";
import { findTool, type ResolvedTool } from "./agent-definition.ts";
import type { Turn } from "./brain.ts";
import { modelConversation } from "./model-messages.ts";
import type { Session } from "./session.ts";

export interface ModelOptions {
  /** A key of a real account: what it costs is real too. */
  apiKey: string;
  /** Anthropic's own unless given. */
  baseURL?: string | undefined;
}

/** A turn, and what it took. */
export interface ModelTurn extends Turn {
  usage: { input_tokens: number; output_tokens: number };
}

/** Of one answer; without streaming, the SDK refuses more than it could wait for. */
const MAX_TOKENS = 16_000;

export class ModelBrain {
  readonly #client: Anthropic;

  constructor({ apiKey, baseURL }: ModelOptions) {
    this.#client = new Anthropic({ apiKey, authToken: null, baseURL: baseURL ?? null, logLevel: "off" });
  }

  /**
   * Asks for the session's next turn.
   *
   * @returns null when it is not the model's turn, or when it has nothing to say.
   * @throws APIError of the SDK, when the API does not answer; Error when the answer was cut short.
   */
  async next(session: Session): Promise<ModelTurn | null> {
    const processed = session.log.history().flatMap(({ event }) => (event.processed_at === null ? [] : event));
    const { system, messages } = modelConversation(processed);
    if (messages.at(-1)?.role !== "user") return null;
    const instructions = [session.agent.system, ...system].filter((text) => text !== null).join("\n\n");
    const answer = await this.#client.messages.create({
      model: session.agent.model.id,
      max_tokens: MAX_TOKENS,
      ...(instructions !== "" && { system: instructions }),
      tools: toolsOf(session.agent.tools),
      messages,
    });
    if (answer.stop_reason === "max_tokens") throw new Error(`the answer was longer than ${MAX_TOKENS} tokens`);
    const say = answer.content.flatMap((block) => (block.type === "text" ? block.text : [])).join("\n");
    const call = answer.content.flatMap((block) =>
      block.type === "tool_use" ? { name: block.name, input: block.input as Record<string, unknown> } : [],
    );
    const { input_tokens, output_tokens } = answer.usage;
    const usage = { input_tokens, output_tokens };
    if (say === "" && call.length === 0) return null;
    return { ...(say !== "" && { say }), ...(call.length > 0 && { call }), usage };
  }
}

/** The tools that a worker serves. Those that run at Anthropic, web search and MCP, are not offered. */
function toolsOf(tools: readonly ResolvedTool[]): Anthropic.Tool[] {
  return tools.flatMap((tool): Anthropic.Tool[] => {
    if (tool.type === "custom") {
      return [{ name: tool.name, description: tool.description, input_schema: tool.input_schema }];
    }
    if (tool.type !== "agent_toolset_20260401") return [];
    // Definitions only: nothing is run in this folder.
    return betaAgentToolset20260401({ workdir: "/" }).flatMap((builtIn) =>
      "input_schema" in builtIn && "name" in builtIn && findTool(tools, builtIn.name)
        ? {
            name: builtIn.name,
            description: "description" in builtIn ? (builtIn.description ?? "") : "",
            input_schema: builtIn.input_schema as Anthropic.Tool.InputSchema,
          }
        : [],
    );
  });
}
