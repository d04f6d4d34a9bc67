/**
 * `npm run local`: starts the local cloud, makes the stack `local` ready for `npm run pulumi -- up`, and stays until
 * SIGINT or SIGTERM. With `--json`, prints the endpoints as one line and nothing else on stdout.
 */
import { parseArgs } from "node:util";
import { places } from "../infra/engine/places.mjs";
import { startLocalCloud } from "../infra/local/cloud.ts";
import { LocalStack, randomSecrets } from "../infra/local/stack.ts";

const { values: options } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const ended = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
});
const at = places();
const cloud = await startLocalCloud({ stateDir: at.local, nodeBinary: at.node });
try {
  await new LocalStack({ endpoints: cloud.endpoints, stateDir: at.local }).configure(randomSecrets());
  if (options.json) process.stdout.write(`${JSON.stringify(cloud.endpoints)}\n`);
  else {
    process.stdout.write("The local cloud runs. Everything it keeps goes when it ends (Ctrl-C).\n\n");
    for (const [name, value] of Object.entries(cloud.endpoints))
      process.stdout.write(`  ${name.padEnd(18)} ${value}\n`);
    process.stdout.write("\nIn another terminal: npm run pulumi -- up\n");
  }
  await ended;
} finally {
  await cloud.close();
}
