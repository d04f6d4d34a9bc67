import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { ProviderClient, urnOf } from "./testing/client.ts";

const executable = fileURLToPath(new URL("bin/pulumi-resource-handrail", import.meta.url));
const started: { child: ChildProcess; client: ProviderClient }[] = [];

afterEach(() => {
  for (const { child, client } of started.splice(0)) {
    client.close();
    child.kill("SIGKILL");
  }
});

async function start(env: NodeJS.ProcessEnv = {}): Promise<{ child: ChildProcess; client: ProviderClient }> {
  const child = spawn(executable, [], { stdio: "pipe", env: { PATH: "/usr/bin:/bin", ...env } });
  for await (const line of createInterface({ input: child.stdout })) {
    const provider = { child, client: new ProviderClient(`127.0.0.1:${line}`) };
    started.push(provider);
    return provider;
  }
  throw new Error("the provider printed no port");
}

test("the executable starts on the checkout's own Node, prints its port and serves every resource type", async () => {
  const { client } = await start();
  expect(Object.keys((await client.schema()).resources).sort()).toEqual([
    "handrail:index:Agent",
    "handrail:index:EgressPolicy",
    "handrail:index:Environment",
    "handrail:index:SecretRevision",
    "handrail:index:Snapshot",
    "handrail:index:WebhookEndpoint",
  ]);
});

test("the provider ends when the engine does, even in the middle of an operation", async () => {
  const { child, client } = await start();
  const dead = { anthropicApiKey: "k", anthropicBaseUrl: "http://127.0.0.1:9" };
  await client.configure(dead);
  const creating = client.create(urnOf("Environment"), { name: "x" }).catch(() => "ended");
  child.stdin?.destroy();
  const [code] = await once(child, "exit");
  expect(code).toBe(0);
  await creating;
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends the provider at once: the engine waits for it", async (signal) => {
  const { child } = await start();
  child.kill(signal);
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("an uncaught error ends the provider with its words, instead of leaving the engine without an answer", async () => {
  const code = encodeURIComponent('process.once("SIGUSR2", () => { throw new Error("on purpose"); })');
  const { child } = await start({ NODE_OPTIONS: `--import=data:text/javascript,${code}` });
  let words = "";
  child.stderr?.on("data", (chunk) => {
    words += chunk;
  });
  child.kill("SIGUSR2");
  expect(await once(child, "close")).toEqual([1, null]);
  expect(words).toContain("the handrail provider failed and ends: Error: on purpose");
});
