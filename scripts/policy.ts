/** `npm run policy -- lock | check | lint | explain … | compare … | review | accept …`: see `usage`. */

import { join, relative } from "node:path";
import pc from "picocolors";
import { checkPolicies } from "../policies/engine/check-policies.ts";
import { compare } from "../policies/engine/compare/compare.ts";
import { loadSide } from "../policies/engine/compare/load-side.ts";
import { describeExplanation, explain } from "../policies/engine/explain.ts";
import { loadExplainSource } from "../policies/engine/explain-source.ts";
import { describeOutcome } from "../policies/engine/inline-tests.ts";
import { loadPolicies, writeLock } from "../policies/engine/policy-files.ts";
import invariants from "../policies/invariants.ts";
import { renderHtml } from "../policies/review/html.ts";
import { renderMarkdown } from "../policies/review/markdown.ts";
import { reviewOf } from "../policies/review/of-comparison.ts";
import { renderSarif } from "../policies/review/sarif.ts";
import { renderTerminal } from "../policies/review/terminal.ts";
import { bundledAgents } from "../runner/agents/registry.ts";
import { main, readArguments } from "./main.ts";
import { lintFiles } from "./policy/lint.ts";
import { accept, gate, staleReviewDocument, writeReviewDocument } from "./policy/review.ts";

const usage = `npm run policy -- lock     write the locks of all policies
npm run policy -- check    are the locks and REVIEW.md current, do the policies' own tests hold, and are their claims and
                           the invariants proved?
npm run policy -- check --base REF [--head REF] [--reports FOLDER]
                           the gate: what grows since REF, and was it accepted? 0: pass, 2: stop, 1: could not tell.
                           --head judges a commit's locks, as data, instead of the working tree
npm run -s policy -- accept --for NAME --reason WHY [--days 14] [--base origin/main]
                           prints the entry that accepts what the gate stops, to be committed
npm run policy -- review   write policies/REVIEW.md
npm run policy -- lint [FILE…] [--json]
                           what is allowed and worth a second look, in all policies or in these files
npm run policy -- explain POLICY METHOD URL [--header 'name: value']… [--as PRINCIPAL] [--phase setup] [--json]
                           what becomes of a request, and which rule decides. POLICY is a .policy.ts file, a lock, or
                           a JSON file with a raw networkPolicy; variables take their example values
npm run -s policy -- compare OLD NEW [--json|--markdown|--sarif|--html]
                           which authority NEW gives or takes, with a request that shows each change. Each is a
                           .policy.ts file, a lock, a JSON file with a raw networkPolicy, a folder of policies, or
                           git:REF (all locks of that commit)`;

const agents = bundledAgents.map(({ agent }) => agent);
const folder = join(import.meta.dirname, "..", "policies");

async function lock(): Promise<number> {
  for (const policy of await loadPolicies(folder)) {
    const name = relative(join(folder, ".."), policy.lockFile);
    console.log(`${name}: ${(await writeLock(policy)) ? "written" : "current"}`);
  }
  return 0;
}

async function check(): Promise<number> {
  // Of another commit nothing is run, so neither its tests nor what its policies compile to are looked at.
  if (values.head !== undefined) {
    return gate({ base: values.base ?? "origin/main", head: values.head, reports: values.reports });
  }
  const checked = await checkPolicies(await loadPolicies(folder), { invariants, agents });
  for (const line of checked.summary) console.log(line);
  for (const warning of checked.warnings) console.error(warning);
  const failures = [...checked.failures];
  const stale = await staleReviewDocument();
  if (stale !== null) failures.push(stale);
  for (const failure of failures) console.error(failure);
  if (failures.length > 0) return 1;
  return values.base === undefined ? 0 : gate({ base: values.base, reports: values.reports });
}

// 2 is the gate's answer that something grew.
const USAGE_ERROR = 1;

const { positionals, values } = readArguments(
  usage,
  {
    allowPositionals: true,
    options: {
      header: { type: "string", multiple: true, default: [] },
      as: { type: "string", default: "sandbox" },
      phase: { type: "string", default: "run" },
      json: { type: "boolean", default: false },
      markdown: { type: "boolean", default: false },
      sarif: { type: "boolean", default: false },
      html: { type: "boolean", default: false },
      base: { type: "string" },
      head: { type: "string" },
      reports: { type: "string" },
      for: { type: "string", default: "" },
      reason: { type: "string", default: "" },
      days: { type: "string", default: "14" },
    },
  },
  USAGE_ERROR,
);

/** A file by its path, or a policy of this repository by its agent's name. */
async function policyFile(name: string): Promise<string> {
  if (/[./\\]/.test(name)) return name;
  const files = await loadPolicies(folder);
  const found = files.find(({ policy }) => policy.agent === name);
  if (found !== undefined) return found.file;
  throw new Error(`There is no policy ${name}; there are: ${files.map(({ policy }) => policy.agent).join(", ")}.`);
}

async function explainRequest(): Promise<number> {
  const [, file, method, url, ...more] = positionals;
  const isPhase = /^(?:run|setup)$/.test(values.phase);
  if (file === undefined || method === undefined || url === undefined || more.length > 0 || !isPhase) {
    console.error(usage);
    return USAGE_ERROR;
  }
  const phase = values.phase === "setup" ? "setup" : "run";
  const explanation = explain(await loadExplainSource(await policyFile(file)), {
    method,
    url,
    headers: values.header,
    as: values.as,
    phase,
  });
  const lines = () => [describeOutcome(explanation.outcome), ...describeExplanation(explanation)].join("\n  ");
  console.log(values.json ? JSON.stringify(explanation, null, 2) : lines());
  return 0;
}

async function comparePolicies(): Promise<number> {
  const [, before, after, ...more] = positionals;
  const formats = [values.json, values.markdown, values.sarif, values.html].filter((format) => format);
  if (before === undefined || after === undefined || more.length > 0 || formats.length > 1) {
    console.error(usage);
    return USAGE_ERROR;
  }
  const repository = { root: join(folder, ".."), folder: "policies" };
  const [from, to] = await Promise.all(
    [before, after].map(async (name) => ({ name, side: await loadSide(name, repository) })),
  );
  if (from === undefined || to === undefined) return 1;
  const comparison = compare(from.side, to.side);
  const review = reviewOf(comparison, from, to);
  if (values.json) console.log(JSON.stringify(comparison, null, 2));
  else if (values.sarif) console.log(JSON.stringify(renderSarif(review), null, 2));
  else if (values.markdown) process.stdout.write(renderMarkdown(review));
  else if (values.html) process.stdout.write(renderHtml(review));
  else process.stdout.write(renderTerminal(review, { color: pc.isColorSupported }));
  return 0;
}

const verbs: Record<string, () => Promise<number>> = {
  accept: () => accept({ ...values, base: values.base ?? "origin/main", days: Number(values.days) }),
  review: writeReviewDocument,
  lock,
  check,
  lint: () => lintFiles(folder, positionals.slice(1), { agents, json: values.json }),
  explain: explainRequest,
  compare: comparePolicies,
};
const [name = "", ...operands] = positionals;
const verb = verbs[name];
const takesOperands = ["lint", "explain", "compare"].includes(name);
if (verb === undefined || (operands.length > 0 && !takesOperands)) {
  const unknown = name === "" ? "" : `There is no verb ${JSON.stringify(name)}.\n\n`;
  const more = `${name} takes options only, not ${JSON.stringify(operands[0])}.\n\n`;
  console.error(`${verb === undefined ? unknown : more}${usage}`);
  process.exitCode = 1;
} else await main(verb);
