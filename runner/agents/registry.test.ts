import { describe, expect, test } from "vitest";
import { parseLock } from "../../policies/engine/lock.ts";
import { agentTools } from "../agent-definition.ts";
import { selectAgent, toolsFault } from "../supervisor/policy.ts";
import { bundledAgents } from "./registry.ts";

describe.each(bundledAgents.map((bundled) => [bundled.agent.name, bundled] as const))(
  "agent %s",
  (_name, { agent, lock: json }) => {
    const lock = parseLock(json);

    test("has a policy of its own name, with the same tools", () => {
      expect(lock.agent).toBe(agent.name);
      expect(toolsFault(agent.tools, lock)).toBeUndefined();
    });

    test("is found by its policy's digest", () => {
      expect(selectAgent(bundledAgents, lock.digest).agent).toBe(agent);
    });

    test("is defined with custom tools only, in what the API takes", () => {
      const tools = agentTools(agent.tools);
      expect(new Set(tools.map(({ name }) => name)).size).toBe(tools.length);
      for (const tool of tools) {
        expect(Object.keys(tool).sort()).toEqual(["description", "input_schema", "name", "type"]);
        expect(tool).toMatchObject({ type: "custom", input_schema: { type: "object", additionalProperties: false } });
        expect(tool.name).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
        expect(tool.description.length).toBeGreaterThan(20);
        expect(JSON.parse(JSON.stringify(tool))).toEqual(tool);
      }
      expect(agent.system.length).toBeLessThanOrEqual(100_000);
    });

    test("never lets the model choose what the policy binds", () => {
      for (const { kind, inputSchema } of agent.tools) {
        if (kind !== "api") continue;
        const properties = Object.keys((inputSchema.properties ?? {}) as object);
        for (const variable of Object.keys(lock.variables)) expect(properties).not.toContain(variable);
      }
    });
  },
);

describe("tools that do not agree with their policy", () => {
  const entry = bundledAgents[0];
  if (entry === undefined) throw new Error("there is no agent");
  const { tools } = entry.agent;
  const locked = parseLock(entry.lock).tools;

  test.each([
    ["is missing there", Object.fromEntries(Object.entries(locked).slice(1)), /is not in the policy/],
    ["is missing here", { ...locked, fly: { kind: "api", network: "own" } }, /names tool fly/],
    ["has another kind", { ...locked, run_tests: { kind: "api", network: "own" } }, /run_tests is command/],
    ["may reach more", { ...locked, run_tests: { kind: "command", network: "sandbox" } }, /network none/],
  ] as const)("because one %s are named", (_what, changed, message) => {
    expect(toolsFault(tools, { tools: changed })).toMatch(message);
  });
});
