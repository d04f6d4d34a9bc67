import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { Sandbox } from "@vercel/sandbox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { places } from "../engine/places.mjs";
import type { LocalEndpoints } from "./cloud.ts";

const stateDir = mkdtempSync(join(tmpdir(), "handrail-local-"));
// Through npm, as any other program starts it: npm ends only what it has started itself.
const local = spawn("npm", ["run", "-s", "local", "--", "--json", "--state-dir", stateDir], {
  cwd: places().root,
  stdio: ["ignore", "pipe", "inherit"],
});
const ended = once(local, "exit");
const lines: string[] = [];
let endpoints: LocalEndpoints;

beforeAll(async () => {
  const output = createInterface({ input: local.stdout });
  output.on("line", (line) => lines.push(line));
  await Promise.race([once(output, "line"), ended.then(([code]) => Promise.reject(new Error(`ended with ${code}`)))]);
  endpoints = JSON.parse(lines[0] ?? "") as LocalEndpoints;
});
afterAll(async () => {
  local.kill("SIGKILL");
  await ended;
  rmSync(stateDir, { recursive: true, force: true });
});

async function door<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${endpoints.anthropicBaseUrl}/console${path}`, {
    method,
    headers: { "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

test("an unmodified worker that knows the addresses and a key serves a session", async () => {
  const client = new Anthropic({ apiKey: endpoints.apiKey, baseURL: endpoints.anthropicBaseUrl });
  const tool = betaZodTool({
    name: "greet",
    description: "Greets.",
    inputSchema: z.object({ name: z.string() }),
    run: ({ name }) => `hello ${name}`,
  });
  const agent = await client.beta.agents.create({
    name: "greeter",
    model: "claude-opus-5-5",
    // A tool without its functions is its definition.
    tools: [JSON.parse(JSON.stringify(tool))],
  });
  const environment = await client.beta.environments.create({ name: "greetings", config: { type: "self_hosted" } });
  const { key } = await door<{ key: string }>("POST", `/environments/${environment.id}/keys`);
  await door("PUT", `/agents/${agent.id}/script`, { turns: [{ call: [{ name: "greet", input: { name: "Ines" } }] }] });
  const session = await client.beta.sessions.create({
    agent: agent.id,
    environment_id: environment.id,
    initial_events: [{ type: "user.message", content: [{ type: "text", text: "Greet Ines." }] }],
  });

  const done = new AbortController();
  const stream = await client.beta.sessions.events.stream(session.id);
  const worker = client.beta.environments.work.worker({
    environmentId: environment.id,
    environmentKey: key,
    tools: [tool],
    signal: done.signal,
  });
  const working = worker.run();
  for await (const event of stream) {
    if (event.type === "session.status_idle" && event.stop_reason.type === "end_turn") break;
  }
  done.abort();
  await working;

  const results: string[] = [];
  for await (const event of client.beta.sessions.events.list(session.id)) {
    if (event.type === "user.custom_tool_result") results.push(JSON.stringify(event.content));
  }
  expect(results).toEqual([JSON.stringify([{ type: "text", text: "hello Ines" }])]);
});

test("an unmodified sandbox client that knows the address and the token runs a command", async () => {
  const sandbox = await Sandbox.create({
    token: endpoints.vercelToken,
    teamId: endpoints.vercelTeamId,
    projectId: endpoints.vercelProjectId,
    fetch: (url, init) => fetch(String(url).replace("https://vercel.com/api", endpoints.sandboxApiUrl), init),
    persistent: false,
    networkPolicy: "deny-all",
  });
  const { exitCode, stdout } = await sandbox.runCommand("sh", ["-c", "pwd"]).then(async (finished) => ({
    exitCode: finished.exitCode,
    stdout: await finished.stdout(),
  }));
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "/vercel/sandbox\n" });
  await sandbox.stop();
});

test("it prints one line, and SIGTERM ends it with 0", async () => {
  local.kill("SIGTERM");
  expect((await ended)[0]).toBe(0);
  expect(lines).toHaveLength(1);
});
