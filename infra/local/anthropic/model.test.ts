import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startTestServer, type TestServer, userMessage, type Wire } from "./test-server.ts";

/** Requests that the Messages API got, and what it answers to the next ones. */
let asked: { key: string | undefined; body: Wire }[];
let answers: (Wire | number)[];
/** Called before an answer is sent. */
let meanwhile: (() => Promise<void>) | undefined;

const messagesApi = createServer((request, response) => {
  let text = "";
  request.on("data", (chunk) => {
    text += chunk;
  });
  request.on("end", async () => {
    asked.push({ key: request.headers.authorization, body: JSON.parse(text) });
    await meanwhile?.();
    const answer = answers.shift() ?? 500;
    response.setHeader("content-type", "application/json");
    response.statusCode = typeof answer === "number" ? answer : 200;
    const error = { type: "error", error: { type: "invalid_request_error", message: "the model is tired" } };
    response.end(
      JSON.stringify(typeof answer === "number" ? error : { type: "message", role: "assistant", ...answer }),
    );
  });
});

const use = (id: string, name: string, input: object) => ({ type: "tool_use", id, name, input });
const say = (text: string) => ({ type: "text", text });
const answer = (stop_reason: string, ...content: object[]) => ({
  stop_reason,
  content,
  usage: { input_tokens: 7, output_tokens: 3 },
});
const result = (custom_tool_use_id: string, text: string, is_error = false) => ({
  type: "user.custom_tool_result" as const,
  custom_tool_use_id,
  content: [{ type: "text" as const, text }],
  is_error,
});

let server: TestServer;
let agent: { id: string };
let environment: { id: string };
beforeAll(async () => {
  await new Promise<void>((resolve) => messagesApi.listen(0, "127.0.0.1", resolve));
  const { port } = messagesApi.address() as AddressInfo;
  server = await startTestServer({ model: { apiKey: "sk-real", baseURL: `http://127.0.0.1:${port}` } });
  environment = await server.client.beta.environments.create({ name: "e", config: { type: "self_hosted" } });
  agent = await server.client.beta.agents.create({
    name: "support",
    model: "claude-opus-5-5",
    system: "Help.",
    tools: [
      { type: "custom", name: "lookup", description: "Looks up.", input_schema: { type: "object" } },
      {
        type: "agent_toolset_20260401",
        default_config: { enabled: false },
        configs: [{ name: "read", enabled: true, permission_policy: { type: "always_allow" } }],
      },
    ],
  });
});
afterAll(async () => {
  await server.close();
  messagesApi.close();
});
beforeEach(() => {
  [asked, answers, meanwhile] = [[], [], undefined];
});

const start = (message?: string) => server.startSession({ environment, agent }, message);

test("a session of an agent without a script is answered by the model, call by call", async () => {
  answers = [
    answer("tool_use", say("Looking."), use("toolu_1", "lookup", { id: 1 }), use("toolu_2", "lookup", { id: 2 })),
    answer("end_turn", say("Done.")),
  ];
  const session = await start();
  const { stop_reason } = await server.idle(session.id, "requires_action");
  const [first, second] = stop_reason.event_ids as string[];
  expect(asked[0]).toMatchObject({
    key: "Bearer sk-real",
    body: {
      model: "claude-opus-5-5",
      system: "Help.",
      messages: [{ role: "user", content: [say("Go.")] }],
      tools: [{ name: "lookup", description: "Looks up.", input_schema: { type: "object" } }, { name: "read" }],
    },
  });
  // The results come one by one, in another order.
  await server.client.beta.sessions.events.send(session.id, { events: [result(second as string, "two")] });
  await server.client.beta.sessions.events.send(session.id, { events: [result(first as string, "broken", true)] });
  await server.idle(session.id, "end_turn");
  const calls = [use(first as string, "lookup", { id: 1 }), use(second as string, "lookup", { id: 2 })];
  expect(asked[1]?.body.messages.slice(1)).toEqual([
    { role: "assistant", content: [say("Looking."), ...calls] },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: second, is_error: false, content: [say("two")] },
        { type: "tool_result", tool_use_id: first, is_error: true, content: [say("broken")] },
      ],
    },
  ]);
  expect(asked).toHaveLength(2);
  expect((await server.client.beta.sessions.retrieve(session.id)).usage).toMatchObject({ input_tokens: 14 });
});

test("calls that an interrupt ended are answered before the next message", async () => {
  answers = [answer("tool_use", use("toolu_1", "lookup", {})), answer("end_turn", say("Fine."))];
  const session = await start();
  const [call] = (await server.idle(session.id, "requires_action")).stop_reason.event_ids as string[];
  await server.client.beta.sessions.events.send(session.id, {
    events: [{ type: "user.interrupt" }, userMessage("Leave it.")],
  });
  await expect.poll(() => asked.length).toBe(2);
  await server.idle(session.id, "end_turn");
  expect(asked[1]?.body.messages.at(-1)).toMatchObject({
    role: "user",
    content: [{ type: "tool_result", tool_use_id: call, is_error: true }, say("Leave it.")],
  });
});

test("what the model said after an interrupt is dropped", async () => {
  answers = [answer("end_turn", say("Too late."))];
  let id = "";
  meanwhile = async () => {
    await expect.poll(() => id).not.toBe("");
    await server.client.beta.sessions.events.send(id, { events: [{ type: "user.interrupt" }] });
  };
  id = (await start()).id;
  await expect.poll(() => answers.length).toBe(0);
  await server.idle(id, "end_turn");
  expect((await server.history(id)).map(({ type }) => type)).not.toContain("agent.message");
});

test("an API that does not answer ends the turn with an error that says why, and no key", async () => {
  answers = [400];
  const session = await start();
  await server.idle(session.id, "retries_exhausted");
  const error = (await server.history(session.id)).find(({ type }) => type === "session.error");
  expect(error.error).toMatchObject({ type: "model_request_failed_error", message: expect.stringContaining("tired") });
  expect(JSON.stringify(error)).not.toContain("sk-real");
});

test("an answer that was cut short is no answer", async () => {
  answers = [answer("max_tokens", say("I will now"))];
  const session = await start();
  await server.idle(session.id, "retries_exhausted");
  expect((await server.history(session.id)).map(({ type }) => type)).not.toContain("agent.message");
});

test("an agent with a script plays it", async () => {
  const scene = await server.scene([{ say: "By the book." }]);
  const session = await server.startSession(scene);
  await server.idle(session.id, "end_turn");
  expect(asked).toEqual([]);
});
