/**
 * `npm run demo`: the whole system on this machine, and the proof of what it promises. Exit code 1 when a row of the
 * proof does not hold. `--json` prints the result as data; `--keep` leaves everything running.
 */
import { places } from "../infra/engine/places.mjs";
import { Narrator } from "../infra/local/demo/narrator.ts";
import { runDemo } from "../infra/local/demo/run.ts";
import { main, readArguments } from "./main.ts";

const usage =
  "npm run demo [-- --keep]    run the demo; --keep leaves everything running\nnpm run -s demo -- --json    the result as data";

const { values: options } = readArguments(usage, {
  options: { json: { type: "boolean", default: false }, keep: { type: "boolean", default: false } },
});

await main(async () => {
  const at = places();
  // With --json, stdout is for the result alone; people still see progress on stderr.
  const narrator = new Narrator(options.json ? process.stderr : process.stdout);
  const demo = await runDemo({ narrator, stateDir: at.local, nodeBinary: at.node });
  try {
    if (options.json) process.stdout.write(`${JSON.stringify(demo.result, null, 2)}\n`);
    else narrator.table(demo.result.rows);
    if (options.keep) {
      narrator.note("Everything is left running; Ctrl-C ends it.");
      for (const [name, value] of Object.entries(demo.cloud.endpoints)) narrator.note(`${name.padEnd(18)} ${value}`);
      await new Promise<void>((resolve) => {
        for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
      });
    }
  } finally {
    await demo.close();
  }
  return demo.result.held ? 0 : 1;
});
