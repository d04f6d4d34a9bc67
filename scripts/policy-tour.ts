/**
 * `node scripts/verb.mjs policy-tour`: five edits of the example policy, and what a reviewer of each would see.
 *
 * Works on a copy in a temporary folder; the repository's own policies stay as they are.
 */
import pc from "picocolors";
import { renderTerminal } from "../policies/review/terminal.ts";
import { main, readArguments } from "./main.ts";
import { takeTour } from "./policy-tour/tour.ts";

readArguments("npm run policy-tour    five edits of the example policy, and what a reviewer sees of each", {});
await main(async () => {
  for (const { edit, diff, review } of await takeTour()) {
    process.stdout.write(`\n${pc.bold(pc.inverse(` ${edit.title} `))}\n${edit.story}\n\n`);
    for (const line of diff) console.log(line.startsWith("+") ? pc.green(line) : pc.red(line));
    process.stdout.write(`\n${renderTerminal(review, { color: pc.isColorSupported })}`);
  }
  return 0;
});
