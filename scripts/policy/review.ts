/** `policy check --base`, `policy accept` and `policy review`: what they read, and where they write. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pc from "picocolors";
import { compare } from "../../policies/engine/compare/compare.ts";
import { parseLock } from "../../policies/engine/lock.ts";
import { ACCEPTANCES_FILE, newAcceptance } from "../../policies/review/acceptances.ts";
import { gateCode, reviewSides } from "../../policies/review/gate.ts";
import { renderHtml } from "../../policies/review/html.ts";
import { renderMarkdown } from "../../policies/review/markdown.ts";
import { checkPlaces, toolPlaces } from "../../policies/review/places.ts";
import type { Review } from "../../policies/review/review.ts";
import { CLAIMS, reviewDocument } from "../../policies/review/review-document.ts";
import { renderSarif } from "../../policies/review/sarif.ts";
import { committedSide, workingSide } from "../../policies/review/sides.ts";
import { renderTerminal } from "../../policies/review/terminal.ts";
import { bundledAgents } from "../../runner/agents/registry.ts";
import { EXECUTOR_USER, WORKSPACE } from "../../runner/vm.ts";

const root = join(import.meta.dirname, "..", "..");
const folder = "policies";
const documentFile = join(root, folder, "REVIEW.md");

/** What is compared. */
export interface GateArguments {
  /** Git ref to compare with. */
  readonly base: string;
  /** Git ref to judge, read as data; the working tree when left out. */
  readonly head?: string | undefined;
  /** Folder for `review.md`, `review.sarif`, `review.html` and `review.json`. */
  readonly reports?: string | undefined;
}

/** Prints what grows and whether that was accepted. Returns the exit code: 0, or 2 when the gate stops. */
export async function gate(o: GateArguments): Promise<number> {
  const review = await reviewOf(o);
  if (o.reports !== undefined) await writeReports(review, o.reports);
  process.stdout.write(renderTerminal(review, { color: pc.isColorSupported }));
  return gateCode(review);
}

/** Prints the entries that would accept what the gate stops. */
export async function accept(
  o: GateArguments & { readonly for: string; readonly reason: string; readonly days: number },
): Promise<number> {
  const { policies } = await reviewOf(o);
  const stopped = policies.filter(({ passage }) => passage.kind === "stopped");
  const entries = stopped.map(({ agent, before, after }) =>
    newAcceptance({ agent, before, after: after ?? "" }, { ...o, today: today() }),
  );
  if (entries.length === 0) console.error("Nothing has to be accepted.");
  else {
    const file = `${folder}/${ACCEPTANCES_FILE}`;
    console.error(`Add to the list in ${file}, {"acceptances": [ … ]}, commit it, and have it approved:\n`);
  }
  for (const entry of entries) console.log(JSON.stringify(entry, null, 2));
  return 0;
}

/** Writes `policies/REVIEW.md`. */
export async function writeReviewDocument(): Promise<number> {
  const text = await currentDocument();
  const current = (await readDocument()) === text;
  if (!current) await writeFile(documentFile, text);
  console.log(`${folder}/REVIEW.md: ${current ? "current" : "written"}`);
  return 0;
}

/** What is wrong with `policies/REVIEW.md`, and the fix; null when it is current. */
export async function staleReviewDocument(): Promise<string | null> {
  if ((await readDocument()) === (await currentDocument())) return null;
  const fix = "Run `npm run policy -- review`, look at the difference, and commit it.";
  return `${folder}/REVIEW.md is not what the locks and the code say. ${fix}`;
}

async function reviewOf({ base, head }: GateArguments): Promise<Review> {
  return reviewSides({
    from: await committedSide(root, folder, base),
    to: head === undefined ? await workingSide(join(root, folder)) : await committedSide(root, folder, head),
    folder,
    compare,
    today: today(),
  });
}

async function writeReports(review: Review, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const json = review.policies.map(({ agent, before, after, comparison, passage }) => ({
    agent,
    before,
    after,
    passage,
    ...comparison,
  }));
  const files = {
    "review.md": renderMarkdown(review),
    "review.sarif": `${JSON.stringify(renderSarif(review), null, 2)}\n`,
    "review.html": renderHtml(review),
    "review.json": `${JSON.stringify(json, null, 2)}\n`,
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(to, name), text)));
}

async function currentDocument(): Promise<string> {
  await checkPlaces(root, CLAIMS);
  const agents = await Promise.all(
    bundledAgents.map(async ({ agent, lock }) => {
      const places = await toolPlaces(root, "runner/tools", agent.tools);
      const tools = agent.tools.map(({ name }) => ({ name, place: places[name] ?? "" }));
      return { file: `${folder}/${agent.name}.policy.ts`, lock: parseLock(lock), tools };
    }),
  );
  return reviewDocument(agents, { workspace: WORKSPACE, user: EXECUTOR_USER });
}

async function readDocument(): Promise<string | null> {
  return readFile(documentFile, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
