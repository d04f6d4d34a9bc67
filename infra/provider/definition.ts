/** The shape of a resource type: one file each declares one of these, and the server speaks gRPC for all of them. */
import type { z } from "zod";
import type { PropertyMap } from "./property-values.ts";
import type { ProviderConfig } from "./provider-config.ts";

/** What the outside world is to a resource; tests pass their own. */
export interface Services {
  readonly fetch: typeof fetch;
  /** Time in epoch ms. */
  now(): number;
  /** Resolves after `ms`, rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** 128 random bits in lower-case hex. */
  randomId(): string;
  /** Folder that relative paths in inputs start from: the Pulumi project's. */
  readonly projectDir: string;
}

export type Severity = "debug" | "info" | "warning" | "error";

/** What an operation on one resource gets. */
export interface OperationContext extends Services {
  readonly urn: string;
  readonly config: ProviderConfig;
  /** Aborted when the operation's time is over and when the user cancels the update. */
  readonly signal: AbortSignal;
  /** A line under the resource in Pulumi's output. */
  log(severity: Severity, message: string): void;
}

export interface ReadResult<Inputs, Outputs> {
  /** Inputs as the remote object has them, so that drift shows in the next plan. */
  readonly inputs: Inputs;
  readonly outputs: Outputs;
}

/** Longest time of an operation in seconds, unless the program sets `customTimeouts`. */
export interface Deadlines {
  readonly create: number;
  readonly read: number;
  readonly update: number;
  readonly delete: number;
}

export interface ResourceDefinition<
  Inputs extends Record<string, unknown> = Record<string, unknown>,
  Outputs extends Record<string, unknown> = Record<string, unknown>,
> {
  /** The token is `handrail:index:<type>`. */
  readonly type: string;
  readonly description: string;
  /** Strict object without defaults and transforms: what `check` accepts is what the state holds. */
  readonly inputs: z.ZodObject & z.ZodType<Inputs>;
  /** What the resource has beyond its inputs. */
  readonly outputs: z.ZodObject & z.ZodType<Outputs>;
  /** Inputs that are secret even when the program did not say so. */
  readonly secretInputs?: readonly (keyof Inputs & string)[];
  /** Inputs that the remote object cannot change. */
  readonly replaceOn: readonly (keyof Inputs & string)[];
  /**
   * `"always"`: the remote object is found again by its tag, so that the old one must be gone before the new one is
   * made. `"unchanged"`: found by its content, so that this holds only for a replacement that changes nothing
   * (`pulumi up --replace`).
   */
  readonly deleteBeforeReplace: "always" | "unchanged";
  /** Whether the engine reads the resource before every `up` and `preview`, not only on `refresh`. */
  readonly refreshBeforeUpdate?: boolean;
  readonly deadlines: Deadlines;
  /** Last word on checked inputs; may move secret marks, not values. */
  normalize?(inputs: PropertyMap): PropertyMap;
  /**
   * The outputs that are certain before anything was done; the others show as unknown in the plan. Inputs may hold
   * UNKNOWN at any depth. `state` is that of the resource to be updated.
   */
  preview(inputs: Inputs, state?: Inputs & Outputs): Partial<Outputs>;
  /** Outputs that differ from what `inputs` call for, although no input changed; an update sets them right. */
  outdated?(state: Inputs & Outputs, inputs: Inputs): (keyof Outputs & string)[];
  /** Says something about a change in the plan itself, by `context.log`. */
  explainChange?(state: Inputs & Outputs, inputs: Inputs, context: OperationContext): void | Promise<void>;
  /** Makes the remote object, or adopts the one that an interrupted `create` of this resource left behind. */
  create(inputs: Inputs, context: OperationContext): Promise<{ id: string; outputs: Outputs }>;
  /** The remote object as it is, or null when it is gone. `state` is missing on import. */
  read(
    id: string,
    state: (Inputs & Outputs) | undefined,
    context: OperationContext,
  ): Promise<ReadResult<Inputs, Outputs> | null>;
  update(id: string, state: Inputs & Outputs, inputs: Inputs, context: OperationContext): Promise<Outputs>;
  /** Removes the remote object; one that is gone already is fine. */
  delete(id: string, state: Inputs & Outputs, context: OperationContext): Promise<void>;
}

/** Declares a resource type with its inputs and outputs inferred from the schemas. */
export function defineResource<Inputs extends Record<string, unknown>, Outputs extends Record<string, unknown>>(
  definition: ResourceDefinition<Inputs, Outputs>,
): ResourceDefinition {
  // The server checks inputs by the same schema before it calls anything, which the erased type cannot say.
  return definition as unknown as ResourceDefinition;
}
