/**
 * `npm run local`: starts the local cloud, makes the stack `local` ready for `npm run pulumi -- up`, and stays until
 * SIGINT or SIGTERM. With `--json`, prints the endpoints as one line and nothing else on stdout. `--state-dir` keeps a
 * second cloud apart from the one that `npm run pulumi` finds. With HANDRAIL_MODEL_API_KEY, a key of a real account, the
 * real model answers for agents that have no script.
 */
import { places } from "../infra/engine/places.mjs";
import { startLocalCloud } from "../infra/local/cloud.ts";
import { LocalStack, randomSecrets } from "../infra/local/stack.ts";
import { main, readArguments } from "./main.ts";

const usage = "npm run local [-- --json] [--state-dir FOLDER]    start the local cloud and leave it up";

const at = places();
const { values: options } = readArguments(usage, {
  options: { json: { type: "boolean", default: false }, "state-dir": { type: "string", default: at.local } },
});

await main(async () => {
  const stateDir = options["state-dir"];
  const key = process.env.HANDRAIL_MODEL_API_KEY;
  const ended = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
  });
  const cloud = await startLocalCloud({
    stateDir,
    nodeBinary: at.node,
    model: key ? { apiKey: key, baseURL: process.env.HANDRAIL_MODEL_BASE_URL } : undefined,
    onLog: (source, record) => {
      // The commonest stumble: a host that the policy allows, and that nobody has given a meaning here.
      if (source === "firewall" && String(record.why).startsWith("no origin is registered")) {
        process.stderr.write(`${record.why}: POST ${cloud.endpoints.anthropicBaseUrl}/console/origins {host, url}\n`);
      }
    },
  });
  try {
    await new LocalStack({ endpoints: cloud.endpoints, stateDir }).configure(randomSecrets());
    if (options.json) process.stdout.write(`${JSON.stringify(cloud.endpoints)}\n`);
    else {
      process.stdout.write("The local cloud runs. Everything it keeps goes when it ends (Ctrl-C).\n\n");
      for (const [name, value] of Object.entries(cloud.endpoints)) {
        process.stdout.write(`  ${name.padEnd(18)} ${value}\n`);
      }
      const brain = key ? "the model of the agent, at your cost" : "an echo (a model: HANDRAIL_MODEL_API_KEY)";
      process.stdout.write(`\nAgents without a script are answered by ${brain}.\n`);
      process.stdout.write("In another terminal: npm run pulumi -- up\n");
    }
    await ended;
  } finally {
    await cloud.close();
  }
  return 0;
});
