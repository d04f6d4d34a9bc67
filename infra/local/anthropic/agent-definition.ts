/** What an agent consists of: the definition as clients send it, and as the API resolves it (`contracts` §8). */
import { z } from "zod";
import { badRequest } from "./errors.ts";

const BUILT_IN = ["bash", "read", "write", "edit", "glob", "grep", "web_fetch", "web_search"] as const;
/** These two run at Anthropic, even for self-hosted environments. */
const HOSTED: ReadonlySet<string> = new Set(["web_fetch", "web_search"]);

const policySchema = z.strictObject({ type: z.enum(["always_allow", "always_ask", "auto"]) });
const toolConfig = { enabled: z.boolean().nullish(), permission_policy: policySchema.nullish() };

const customTool = z.strictObject({
  type: z.literal("custom"),
  name: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, "must match ^[A-Za-z0-9_-]{1,128}$"),
  description: z.string().min(1),
  input_schema: z.looseObject({ type: z.literal("object") }),
});
const agentToolset = z.strictObject({
  type: z.literal("agent_toolset_20260401"),
  default_config: z.strictObject(toolConfig).nullish(),
  configs: z.array(z.looseObject({ name: z.enum(BUILT_IN), ...toolConfig })).nullish(),
});
const mcpToolset = z.strictObject({
  type: z.literal("mcp_toolset"),
  mcp_server_name: z.string().min(1),
  default_config: z.strictObject(toolConfig).nullish(),
  configs: z.array(z.looseObject({ name: z.string(), ...toolConfig })).nullish(),
});
export const toolsSchema = z.array(z.discriminatedUnion("type", [customTool, agentToolset, mcpToolset])).max(256);

const levels = z.enum(["low", "medium", "high", "xhigh", "max"]);
const modelSchema = z.union([
  z.string().min(1),
  z.strictObject({
    id: z.string().min(1),
    effort: z.union([levels, z.strictObject({ type: levels })]).nullish(),
    speed: z.enum(["standard", "fast"]).nullish(),
    inference_geo: z.enum(["us", "global"]).nullish(),
  }),
]);

export const skillsSchema = z
  .array(z.strictObject({ type: z.enum(["custom", "anthropic"]), skill_id: z.string(), version: z.string().nullish() }))
  .max(20);
export const mcpServersSchema = z
  .array(z.strictObject({ type: z.literal("url"), name: z.string().min(1), url: z.url() }))
  .max(20);

export const definitionFields = {
  name: z.string().min(1).max(256),
  model: modelSchema,
  description: z.string().max(2048).nullish(),
  system: z.string().max(100_000).nullish(),
  tools: toolsSchema.nullish(),
  skills: skillsSchema.nullish(),
  mcp_servers: mcpServersSchema.nullish(),
  multiagent: z.null().optional(),
  execution_identity: z.looseObject({ type: z.literal("service_account") }).nullish(),
};

type PermissionPolicy = z.infer<typeof policySchema>;
interface ResolvedToolset {
  type: "agent_toolset_20260401" | "mcp_toolset";
  mcp_server_name?: string;
  default_config: { enabled: boolean; permission_policy: PermissionPolicy };
  configs: { name: string; enabled: boolean; permission_policy: PermissionPolicy; [option: string]: unknown }[];
}
export type ResolvedTool = z.infer<typeof customTool> | ResolvedToolset;

/** The part of an agent that its versions are made of. */
export interface Definition {
  name: string;
  model: { id: string; effort: { type: string }; speed: string; inference_geo?: string };
  description: string | null;
  system: string | null;
  tools: ResolvedTool[];
  skills: { type: string; skill_id: string; version: string }[];
  mcp_servers: z.infer<typeof mcpServersSchema>;
  multiagent: null;
  execution_identity: { type: "service_account" };
}

/** What a session keeps of the agent that it was created with. */
export interface AgentSnapshot extends Definition {
  id: string;
  type: "agent";
  version: number;
}

export type DefinitionPatch = {
  [K in keyof typeof definitionFields]?: z.infer<(typeof definitionFields)[K]> | undefined;
};

function resolveModel(model: z.infer<typeof modelSchema>, old?: Definition["model"]): Definition["model"] {
  const { id, effort, speed, inference_geo } = typeof model === "string" ? { id: model } : { ...model };
  const level = typeof effort === "string" ? { type: effort } : effort;
  const geo = inference_geo ?? old?.inference_geo;
  return {
    id,
    effort: level ?? old?.effort ?? { type: "high" },
    speed: speed ?? old?.speed ?? "standard",
    ...(geo && { inference_geo: geo }),
  };
}

/** Fills in the defaults that the API reports back, and refuses what does not fit together. @throws ApiError 400 */
export function resolveTools(tools: z.infer<typeof toolsSchema>, servers: Definition["mcp_servers"]): ResolvedTool[] {
  const names = new Set<string>();
  return tools.map((tool, i) => {
    const name =
      tool.type === "custom" ? tool.name : `${tool.type}:${"mcp_server_name" in tool && tool.mcp_server_name}`;
    if (names.has(name)) throw badRequest(`tools.${i}: duplicate tool "${name}"`);
    names.add(name);
    if (tool.type === "custom") return tool;
    if (tool.type === "mcp_toolset" && !servers.some((server) => server.name === tool.mcp_server_name)) {
      throw badRequest(`tools.${i}.mcp_server_name: no MCP server is named "${tool.mcp_server_name}"`);
    }
    const policy: PermissionPolicy = { type: tool.type === "mcp_toolset" ? "always_ask" : "always_allow" };
    const defaults = {
      enabled: tool.default_config?.enabled ?? true,
      permission_policy: tool.default_config?.permission_policy ?? policy,
    };
    return {
      ...tool,
      default_config: defaults,
      configs: (tool.configs ?? []).map((config) => ({
        ...config,
        enabled: config.enabled ?? defaults.enabled,
        permission_policy: config.permission_policy ?? defaults.permission_policy,
      })),
    };
  });
}

/** Each side names the other, whichever of them a patch leaves as it was. @throws ApiError 400 naming the server */
function assertServersMatch(tools: readonly ResolvedTool[], servers: Definition["mcp_servers"]): void {
  const used = tools.flatMap((tool) => ("mcp_server_name" in tool ? [tool.mcp_server_name] : []));
  servers.forEach(({ name }, i) => {
    if (!used.includes(name)) throw badRequest(`mcp_servers.${i}: no tool of type mcp_toolset refers to "${name}"`);
  });
  const missing = used.find((name) => !servers.some((server) => server.name === name));
  if (missing !== undefined) throw badRequest(`mcp_servers: a tool refers to "${missing}", which is not among them`);
}

/** `patch` over `old`: absent keeps, null clears, lists and scalars are replaced. @throws ApiError 400 */
export function resolveDefinition(patch: DefinitionPatch, old?: Definition): Definition {
  const keep = <T>(value: T | null | undefined, kept: T | undefined, empty: T): T =>
    value === undefined ? (kept ?? empty) : (value ?? empty);
  const mcpServers = keep(patch.mcp_servers, old?.mcp_servers, []);
  const tools = patch.tools === undefined ? (old?.tools ?? []) : resolveTools(patch.tools ?? [], mcpServers);
  assertServersMatch(tools, mcpServers);
  return {
    name: patch.name ?? (old as Definition).name,
    model: patch.model === undefined ? (old as Definition).model : resolveModel(patch.model, old?.model),
    description: keep<string | null>(patch.description, old?.description, null),
    system: keep<string | null>(patch.system, old?.system, null),
    tools,
    skills: keep(patch.skills, old?.skills as never, []).map((skill) => ({
      ...skill,
      version: skill.version ?? "latest",
    })),
    mcp_servers: mcpServers,
    multiagent: null,
    execution_identity: { type: "service_account" },
  };
}

export interface CallableTool {
  /** The event that announces a call: custom tools and the built-in toolset have different ones. */
  eventType: "agent.custom_tool_use" | "agent.tool_use";
  permission: "allow" | "ask";
}

/** The tool of that name that a worker serves, or undefined: unknown, disabled, or run at Anthropic (web, MCP). */
export function findTool(tools: readonly ResolvedTool[], name: string): CallableTool | undefined {
  for (const tool of tools) {
    if (tool.type === "custom") {
      if (tool.name === name) return { eventType: "agent.custom_tool_use", permission: "allow" };
    } else if (tool.type === "agent_toolset_20260401" && (BUILT_IN as readonly string[]).includes(name)) {
      const { enabled, permission_policy: policy } = tool.configs.find((c) => c.name === name) ?? tool.default_config;
      if (!enabled || HOSTED.has(name)) return undefined;
      return { eventType: "agent.tool_use", permission: policy.type === "always_ask" ? "ask" : "allow" };
    }
  }
  return undefined;
}
