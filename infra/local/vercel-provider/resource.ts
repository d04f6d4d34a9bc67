import type { z } from "zod";
import type { Properties } from "./properties.ts";
import type { VercelClient } from "./vercel-client.ts";

/** One resource type: what it takes and the calls that the plugin makes for it. */
export interface Resource {
  /** Shapes of the inputs by property. What is not named is refused. */
  inputs: z.ZodRawShape;
  /** Inputs whose change takes a new resource, or that change a resource in place when true for none. */
  replaces(property: string): boolean;
  /** Outputs that are secret whatever the inputs were. */
  secrets: readonly string[];
  /** Outputs that stay what they are when the resource is updated in place. */
  stable: readonly string[];
  /** Fills in what the program left out, and says what is wrong beyond the shape: property → reason. */
  check?(inputs: Properties, context: CheckContext): Promise<{ inputs: Properties; failures?: Record<string, string> }>;
  /** What the outputs will be as far as a preview can tell. */
  preview(inputs: Properties, client: VercelClient): Properties;
  create(inputs: Properties, client: VercelClient): Promise<{ id: string; outputs: Properties }>;
  /**
   * @param state the outputs so far; for an import only what its id tells.
   * @returns undefined when it does not exist any more.
   */
  read(id: string, state: Properties, client: VercelClient): Promise<{ id: string; outputs: Properties } | undefined>;
  update?(id: string, inputs: Properties, olds: Properties, client: VercelClient): Promise<Properties>;
  delete(id: string, state: Properties, client: VercelClient): Promise<void>;
}

export interface CheckContext {
  /** Name of the resource in the program. */
  name: string;
  /** Inputs of the last update, if there was one. */
  olds: Properties;
  /** Seed that makes generated names the same when an update is tried again. */
  seed: Uint8Array;
  client: VercelClient;
}

/** Parts of an import id such as `team_x/prj_y/env_z`, of which the team may be missing. */
export function importParts(id: string, expected: number): string[] {
  const parts = id.split("/");
  return parts.length > expected ? parts.slice(1) : parts;
}
