/**
 * What `npm run <verb>` starts: on whatever Node the machine has, sets up what the verb needs, then runs
 * `scripts/<verb>.ts` on Node 24 with the arguments. (`setup && node verb.ts` would not do: on a fresh clone the shell
 * still remembers the machine's own `node`.)
 */
import { prepare, runVerb } from "../infra/engine/setup/verb.mjs";

/** Verbs that need less than everything: nobody should install bubblewrap in order to format a file. */
const NEEDS = /** @type {const} */ ({
  bench: ["dependencies"],
  format: ["dependencies"],
  policy: ["dependencies"],
  "policy-tour": ["dependencies"],
  pulumi: ["dependencies", "engine", "vercelPlugin"],
});

const [verb, ...args] = process.argv.slice(2);
if (verb === undefined) {
  process.stderr.write("usage: node scripts/verb.mjs <verb> [arguments]\n");
  process.exit(2);
}
if (await prepare(NEEDS[/** @type {keyof typeof NEEDS} */ (verb)])) runVerb(verb, args);
else process.exitCode = 1;
