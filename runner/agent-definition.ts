/** An agent's tools in the shape that `POST /v1/agents` takes (contracts/claude-managed-agents.md §8). */
import type { Tool } from "./tool.ts";

/** A custom tool of an agent's definition. */
export interface AgentTool {
  readonly type: "custom";
  readonly name: string;
  readonly description: string;
  readonly input_schema: Record<string, unknown> & { type: "object" };
}

/** An agent as this project defines it: what Claude is told, and the tools that the runner serves. */
export interface AgentDefinition {
  /** Also the name of the policy: `policies/<name>.lock.json`. */
  readonly name: string;
  readonly model: string;
  readonly system: string;
  readonly tools: readonly Tool[];
}

/**
 * The tools of the definition, explicitly and completely: an agent with the default tools may call ones that this
 * runner does not serve.
 *
 * @example
 * ```ts
 * await client.beta.agents.create({ name, model, system, tools: agentTools(supportAgent.tools) });
 * ```
 */
export function agentTools(tools: readonly Tool[]): AgentTool[] {
  return tools.map(({ name, description, inputSchema }) => {
    // The dialect is zod's own remark; a newer zod would otherwise change every agent.
    const { $schema: _, ...input_schema } = inputSchema;
    return { type: "custom", name, description, input_schema: input_schema as AgentTool["input_schema"] };
  });
}
