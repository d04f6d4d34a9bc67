/** `npm run policy -- lock | check | explain …`: see `usage`. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PolicyError } from "../policies/engine/errors.ts";
import { runInlineTests } from "../policies/engine/inline-tests.ts";
import { loadPolicies, staleLock, writeLock } from "../policies/engine/policy-files.ts";

const usage = `npm run policy -- lock     write the locks of all policies
npm run policy -- check    are the locks current, and do the policies' own tests hold?`;

const folder = join(import.meta.dirname, "..", "policies");

async function lock(): Promise<number> {
  for (const policy of await loadPolicies(folder)) {
    console.log(`${policy.lockFile}: ${(await writeLock(policy)) ? "written" : "current"}`);
  }
  return 0;
}

async function check(): Promise<number> {
  const failures: string[] = [];
  for (const policy of await loadPolicies(folder)) {
    const stale = await staleLock(policy);
    if (stale !== null) failures.push(stale);
    const results = runInlineTests(policy.policy);
    for (const { name, expected, failure } of results) {
      if (failure !== null) failures.push(`${policy.file}: ${name}: expected ${expected}, got ${failure}`);
    }
    const held = results.filter(({ failure }) => failure === null).length;
    console.log(
      `${policy.policy.agent}: ${stale ? "lock stale" : "lock current"}, ${held} of ${results.length} tests hold`,
    );
  }
  for (const failure of failures) console.error(failure);
  return failures.length === 0 ? 0 : 1;
}

const { positionals } = parseArgs({ allowPositionals: true });
const verbs: Record<string, () => Promise<number>> = { lock, check };
const verb = verbs[positionals[0] ?? ""];
if (verb === undefined) {
  console.error(usage);
  process.exitCode = 1;
} else {
  try {
    process.exitCode = await verb();
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
