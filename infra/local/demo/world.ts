/** Everything that the demo's session needs around it: the local cloud, the two services, and the stack brought up. */
import { z } from "zod";
import { type LocalCloud, startLocalCloud } from "../cloud.ts";
import { LocalStack, randomSecrets, type StackSecrets } from "../stack.ts";
import type { Narrator } from "./narrator.ts";
import { type Crm, type Service, startCrm, startPackages } from "./servers.ts";
import type { Turn } from "./task.ts";

export interface World {
  cloud: LocalCloud;
  crm: Crm;
  packages: Service;
  stack: LocalStack;
  secrets: StackSecrets;
  /** Every line that a part of the cloud, or the engine, logged. */
  logs: string[];
  close(): Promise<void>;
}

export interface WorldOptions {
  stateDir: string;
  nodeBinary: string;
  /** Called with each line that a part of the cloud logs. */
  onLog?: (source: string, record: Record<string, unknown>) => void;
}

/** Starts the servers and makes the stack; nothing is provisioned yet. On failure everything is ended. */
export async function openWorld(o: WorldOptions): Promise<World> {
  const logs: string[] = [];
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    const cloud = await startLocalCloud({
      stateDir: o.stateDir,
      nodeBinary: o.nodeBinary,
      onLog: (source, record) => {
        logs.push(JSON.stringify({ source, ...record }));
        o.onLog?.(source, record);
      },
    });
    closers.push(cloud.close);
    const secrets = randomSecrets();
    const crm = await startCrm({
      tls: await cloud.issue("api.crm.example"),
      readToken: secrets.crmToken,
      writeToken: secrets.crmWriteToken,
    });
    closers.push(crm.close);
    const packages = await startPackages({ tls: await cloud.issue("packages.example") });
    closers.push(packages.close);
    for (const [host, service] of Object.entries({ "api.crm.example": crm, "packages.example": packages })) {
      await askConsole(cloud, "POST", "/origins", { host, url: service.url });
    }
    const stack = new LocalStack({
      endpoints: cloud.endpoints,
      stateDir: o.stateDir,
      onLine: (line) => logs.push(JSON.stringify({ source: "pulumi", line })),
    });
    await stack.configure(secrets);
    await stack.set({ plain: { workspace: WORKSPACE } });
    return { cloud, crm, packages, stack, secrets, logs, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The fixture repository of the task, relative to the checkout. */
const WORKSPACE = "infra/local/demo/workspace";

/** What the demo reads of the stack's outputs. */
const stackOutputs = z.object({
  environmentId: z.string(),
  agentId: z.string(),
  snapshotId: z.string(),
  projectId: z.string(),
  productionUrl: z.string(),
  gates: z.array(z.string()),
});
export type StackOutputs = z.infer<typeof stackOutputs>;

/** A whole environment and its gate secrets. */
export interface Provisioned extends StackOutputs {
  environmentKey: string;
  webhookSigningKey: string;
}

/**
 * `pulumi up`, the two things that only a person can do in the Console, and `pulumi up` again.
 *
 * @throws when the first run does not say which gates are open, or the second leaves one open.
 */
export async function provision({ cloud, stack }: World, narrator: Narrator): Promise<Provisioned> {
  const first = await narrator.step(
    "pulumi up: project, functions, environment, agent, snapshot, egress policy",
    async () => {
      await stack.up();
      return stackOutputs.parse(await stack.outputs());
    },
    (outputs) => `${outputs.environmentId}, ${outputs.agentId}, ${outputs.snapshotId}`,
  );
  for (const gate of first.gates) narrator.note(`gate open: ${gate}`);
  if (first.gates.length === 0)
    throw new Error("pulumi up reported no open gate, although nobody was in the Console yet");
  const keys = await narrator.step(
    "In the Console, as a person would: an environment key and a webhook endpoint",
    async () => {
      const { key } = await askConsole(cloud, "POST", `/environments/${first.environmentId}/keys`);
      const { secret } = await askConsole(cloud, "POST", "/webhooks", {
        url: `${first.productionUrl}/api/webhook`,
        events: ["session.status_run_started", "session.status_idled", "session.status_terminated"],
      });
      const given = z.object({ environmentKey: z.string(), webhookSigningKey: z.string() });
      return given.parse({ environmentKey: key, webhookSigningKey: secret });
    },
  );
  const outputs = await narrator.step(
    "pulumi up again, with both secrets",
    async () => {
      await stack.set({ secret: keys });
      await stack.up();
      return stackOutputs.parse(await stack.outputs());
    },
    (result) => (result.gates.length === 0 ? "every gate is closed" : `open: ${result.gates.join("; ")}`),
  );
  if (outputs.gates.length > 0)
    throw new Error(`gates are open after both secrets were given: ${outputs.gates.join("; ")}`);
  return { ...outputs, ...keys };
}

/** A door of the local Anthropic server for what a person does in the Console. @throws when it refuses. */
export async function askConsole(
  cloud: LocalCloud,
  method: "GET" | "POST" | "PUT",
  path: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${cloud.endpoints.anthropicBaseUrl}/console${path}`, {
    method,
    headers: { "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the local Console refused ${method} ${path} with ${response.status}: ${text}`);
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

export async function setScript(cloud: LocalCloud, agentId: string, turns: readonly Turn[]): Promise<void> {
  await askConsole(cloud, "PUT", `/agents/${agentId}/script`, { turns });
}
