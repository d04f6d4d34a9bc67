/** Puts everything in place that the other verbs need: packages, Node 24, the Pulumi engine, sandbox tools. */
import { prepare } from "../infra/engine/setup/verb.mjs";

if (!(await prepare())) process.exitCode = 1;
