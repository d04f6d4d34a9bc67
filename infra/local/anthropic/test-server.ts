/** A server on a free port with the real SDK in front, for the tests of this folder. */
import { setTimeout as sleep } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { OriginRegistry } from "../origins.ts";
import type { Knobs } from "./knobs.ts";
import { type AnthropicOptions, startAnthropic } from "./server.ts";

export const API_KEY = "sk-ant-api03-local-test";

// biome-ignore lint/suspicious/noExplicitAny: JSON as it came over the wire, of whatever shape the test then states.
export type Wire = any;

export async function startTestServer(o: Partial<AnthropicOptions> & { knobs?: Partial<Knobs> } = {}) {
  const unexpected: unknown[] = [];
  const server = await startAnthropic({
    apiKey: API_KEY,
    origins: new OriginRegistry(),
    log: (message, fields) => {
      if (message === "unexpected error") unexpected.push(fields?.error);
    },
    ...o,
  });
  const client = new Anthropic({ apiKey: API_KEY, baseURL: server.url, logLevel: "off" });

  /** A call that no SDK would make: raw path, any credential. */
  const raw = async (
    method: string,
    path: string,
    { body, token, headers }: { body?: unknown; token?: string; headers?: Record<string, string> } = {},
  ): Promise<{ status: number; body: Wire }> => {
    const response = await fetch(server.url + path, {
      method,
      headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };

  /** A self-hosted environment with a key, and an agent with custom tools that plays `turns`. */
  const scene = async (turns: unknown[], tools = ["lookup", "note"]) => {
    const environment = await client.beta.environments.create({
      name: `scene ${Math.random()}`,
      config: { type: "self_hosted" },
    });
    const agent = await client.beta.agents.create({
      name: "support",
      model: "claude-opus-5-5",
      tools: tools.map((name) => ({ type: "custom", name, description: name, input_schema: { type: "object" } })),
    });
    const script = await raw("PUT", `/console/agents/${agent.id}/script`, { body: { turns } });
    if (script.status !== 200) throw new Error(script.body.error.message);
    const key = await raw("POST", `/console/environments/${environment.id}/keys`);
    return { environment, agent, environmentKey: key.body.key as string };
  };

  /** A session that starts to work at once. */
  const startSession = (to: { environment: { id: string }; agent: { id: string } }, message = "Go.") =>
    client.beta.sessions.create({
      agent: to.agent.id,
      environment_id: to.environment.id,
      initial_events: [{ type: "user.message", content: [{ type: "text", text: message }] }],
    });

  const history = async (sessionId: string) => {
    const events: Wire[] = [];
    for await (const event of client.beta.sessions.events.list(sessionId)) events.push(event);
    return events;
  };

  /** Waits until the session is idle for that reason. @returns the idle event */
  const idle = async (sessionId: string, reason: string): Promise<Wire> => {
    for (;;) {
      const last = (await history(sessionId)).findLast((event) => event.type.startsWith("session.status_"));
      if (last?.type === "session.status_idle" && last.stop_reason.type === reason) return last;
      await sleep(5);
    }
  };

  const worker = (environmentKey: string) =>
    new Anthropic({ authToken: environmentKey, baseURL: server.url, logLevel: "off" });

  const close = async () => {
    await server.close();
    if (unexpected.length > 0) throw new Error(`the server met what it did not expect: ${unexpected.join("\n")}`);
  };

  return { ...server, close, client, raw, scene, startSession, history, idle, worker };
}

export type TestServer = Awaited<ReturnType<typeof startTestServer>>;

export const userMessage = (text: string) => ({
  type: "user.message" as const,
  content: [{ type: "text" as const, text }],
});

/** A tool that records its inputs and answers with its name. */
export function recordingTool(name: string, calls: unknown[]) {
  return betaTool({
    name,
    description: name,
    inputSchema: { type: "object" },
    run: async (input) => {
      calls.push([name, input]);
      return `${name} done`;
    },
  });
}

export const sessionsTokenOf = (secret: string | null): string =>
  JSON.parse(Buffer.from(secret as string, "base64url").toString()).sessions_token;
