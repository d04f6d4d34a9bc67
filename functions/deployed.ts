/** The control plane of this deployment: made once an instance, from its environment and the lock in its bundle. */
import { getDeadline, waitUntil } from "@vercel/functions";
import lock from "../policies/support.lock.json" with { type: "json" };
import { composeControlPlane } from "./compose.ts";
import { resolveCredential } from "./resolvers.ts";

export const controlPlane = composeControlPlane({
  env: process.env,
  lock,
  resolveCredential,
  runtime: { waitUntil, deadline: getDeadline },
});
