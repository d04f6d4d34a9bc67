import type { ResourceDefinition } from "./definition.ts";
import { environment } from "./environment.ts";
import { secretRevision } from "./secret-revision.ts";

/** Every resource type of the package. */
export const definitions: readonly ResourceDefinition[] = [environment, secretRevision];
