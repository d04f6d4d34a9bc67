/** Makes each edit of the tour on a copy of the policies, and reviews it as the gate would. */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compare } from "../../policies/engine/compare/compare.ts";
import { reviewSides } from "../../policies/review/gate.ts";
import type { Review } from "../../policies/review/review.ts";
import { workingSide } from "../../policies/review/sides.ts";
import { EDITS, type Edit } from "./edits.ts";

const root = join(import.meta.dirname, "..", "..");

/** One stop of the tour. */
export interface Stop {
  readonly edit: Edit;
  /** The edited lines, `- before` and `+ after`. */
  readonly diff: readonly string[];
  readonly review: Review;
}

/**
 * Takes the tour. Its folders are gone when it returns.
 *
 * @throws Error when an edit does not fit the policy any more.
 */
export async function takeTour(edits: readonly Edit[] = EDITS): Promise<Stop[]> {
  const work = await mkdtemp(join(tmpdir(), "handrail-tour-"));
  try {
    // The copies run: a policy is a program, and finds its language and the language's library beside it.
    await symlink(join(root, "node_modules"), join(work, "node_modules"));
    await writeFile(join(work, "package.json"), '{ "type": "module" }\n');
    const from = await workingSide(await copyTo(join(work, "before")));
    const stops: Stop[] = [];
    for (const [i, edit] of edits.entries()) {
      const folder = await copyTo(join(work, `edit-${i}`));
      const file = join(folder, "support.policy.ts");
      const text = await readFile(file, "utf8");
      await writeFile(file, apply(text, edit));
      const to = await workingSide(folder);
      const review = await reviewSides({
        from: { ...from, name: "main" },
        to: { ...to, name: edit.title.toLowerCase() },
        folder: "policies",
        compare,
        today: new Date().toISOString().slice(0, 10),
      });
      stops.push({ edit, diff: diffOf(edit), review });
    }
    return stops;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function copyTo(folder: string): Promise<string> {
  await cp(join(root, "policies"), folder, {
    recursive: true,
    filter: (path) => !/\.test(?:-d)?\.ts$|\/(?:fixtures|goldens|review)$/.test(path),
  });
  return folder;
}

function apply(text: string, { title, replace }: Edit): string {
  return replace.reduce((edited, [old, now]) => {
    if (edited.split(old).length === 2) return edited.replace(old, () => now);
    throw new Error(
      `The tour is written for the example policy as it came, and the edit "${title}" does not fit support.policy.ts any ` +
        `more, which must hold this once:\n${old}\nTake the tour in a fresh clone, or adapt scripts/policy-tour/edits.ts.`,
    );
  }, text);
}

function diffOf({ replace }: Edit): string[] {
  return replace.flatMap(([old, now]) => [`- ${old.trim()}`, `+ ${now.trim()}`]);
}
