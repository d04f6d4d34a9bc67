import { agent } from "./agent.ts";
import type { ResourceDefinition } from "./definition.ts";
import { egressPolicy } from "./egress-policy.ts";
import { environment } from "./environment.ts";
import { secretRevision } from "./secret-revision.ts";
import { snapshot } from "./snapshot.ts";
import { webhookEndpoint } from "./webhook-endpoint.ts";

/** Every resource type of the package. */
export const definitions: readonly ResourceDefinition[] = [
  environment,
  agent,
  snapshot,
  egressPolicy,
  secretRevision,
  webhookEndpoint,
];
