/** What an update that failed may have left behind, as the engine can still tell it: when it ran, and what it was about. */
import { z } from "zod";
import type { RunPulumi } from "../engine/pulumi.ts";
import type { WantedResource } from "./vercel-objects.ts";

const history = z.array(z.looseObject({ kind: z.string(), result: z.string(), startTime: z.string() })).nullish();

/** What a program's preview has to say about a resource: in the state's own words. */
const step = z.looseObject({
  op: z.string(),
  newState: z
    .looseObject({ urn: z.string(), type: z.string(), inputs: z.record(z.string(), z.unknown()).optional() })
    .nullish(),
});
const preview = z.looseObject({ steps: z.array(step).nullish() });

/** Updates looked at; whoever has seen more of them fail in a row has been told what to do by each. */
const HISTORY_SIZE = 50;
/** How far this machine's clock may be ahead of Vercel's, in ms. */
const CLOCK_SKEW_MS = 60_000;
/** What the preview shows instead of a secret, and instead of a value that is not known yet. */
const HIDDEN = new Set(["[secret]", "04da6b54-80e4-46f7-96ec-b56ff0331ba9"]);

/**
 * Begin of the first of the updates that failed since the last that did not, in epoch ms; undefined when the last one
 * succeeded, or there was none.
 */
export async function failingSince(run: RunPulumi): Promise<number | undefined> {
  const { code, stdout } = await run(["stack", "history", "--json", "--page-size", String(HISTORY_SIZE)]);
  if (code !== 0) return undefined;
  const updates = (history.parse(JSON.parse(stdout)) ?? []).filter(
    ({ kind }) => kind === "update" || kind === "destroy",
  );
  const succeeded = updates.findIndex(({ result }) => result === "succeeded");
  const first = updates.slice(0, succeeded < 0 ? updates.length : succeeded).at(-1);
  return first && Date.parse(first.startTime) - CLOCK_SKEW_MS;
}

/**
 * The Vercel resources that the next update would create, with everything that the state says about one but its id.
 * Inputs that a preview does not show are left out: the next update then sets them.
 *
 * @returns undefined when the preview fails.
 */
export async function plannedCreates(run: RunPulumi): Promise<WantedResource[] | undefined> {
  const { code, stdout } = await run(["preview", "--json"]);
  if (code !== 0) return undefined;
  const { steps } = preview.parse(JSON.parse(stdout));
  return (steps ?? []).flatMap(({ op, newState }) => {
    // A preview shows a replacement as one step.
    if (!newState?.type.startsWith("vercel:") || (op !== "create" && op !== "replace")) return [];
    // A deployment's meta is that of the deployment that is found; of this one only the keys matter.
    const inputs = Object.entries(newState.inputs ?? {}).filter(([key, value]) => key === "meta" || !isHidden(value));
    return [{ ...newState, inputs: Object.fromEntries(inputs) }];
  });
}

function isHidden(value: unknown): boolean {
  if (typeof value === "string") return HIDDEN.has(value);
  return typeof value === "object" && value !== null && Object.values(value).some(isHidden);
}
