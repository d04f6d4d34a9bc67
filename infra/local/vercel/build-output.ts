/** Reads an uploaded Build Output (API version 3, contracts/vercel-functions.md §4.4). */
import { readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { z } from "zod";
import { parseCron } from "./cron-schedule.ts";
import { badRequest } from "./http-error.ts";

const route = z.union([
  z.object({ handle: z.string() }),
  z.looseObject({
    src: z.string(),
    dest: z.string().optional(),
    headers: z.record(z.string(), z.string()).optional(),
    methods: z.array(z.string()).optional(),
    continue: z.boolean().optional(),
    status: z.number().int().optional(),
  }),
]);

const cron = z.object({ path: z.string().startsWith("/").max(512), schedule: z.string().max(256) });

const outputConfig = z.looseObject({
  version: z.literal(3, "must be 3"),
  routes: z.array(route).optional(),
  crons: z.array(cron).max(100).optional(),
});

const functionConfig = z.looseObject({
  runtime: z.string().regex(/^nodejs\d+\.x$/, "must be a Node.js runtime such as nodejs24.x; others are not run here"),
  handler: z.string(),
  launcherType: z.literal("Nodejs", "must be Nodejs"),
  maxDuration: z.number().int().min(1).max(1800).optional(),
  environment: z.record(z.string(), z.string()).optional(),
});

export type Route = z.infer<typeof route>;
export type OutputConfig = z.infer<typeof outputConfig>;

export interface BuiltFunction {
  /** Path below `functions` without `.func`, e.g. `api/webhook`; served at `/api/webhook`. */
  name: string;
  /** Module that holds the handler, an absolute path. */
  handler: string;
  /** Seconds, when the function sets it itself. */
  maxDuration: number | undefined;
  /** Variables that the build gave this function, over which the deployment's own win. */
  environment: Record<string, string>;
}

export interface BuildOutput {
  config: OutputConfig;
  /** By name. */
  functions: Map<string, BuiltFunction>;
  /** Path as served, without the leading slash → file, an absolute path. */
  statics: Map<string, string>;
}

/**
 * @param folder what the deployment's files were laid out in: the parent of `.vercel/output`.
 * @throws VercelError 400 that says which file of the output is missing or wrong.
 */
export async function readBuildOutput(folder: string): Promise<BuildOutput> {
  const output = join(folder, ".vercel", "output");
  const config = await readConfig(join(output, "config.json"), outputConfig, ".vercel/output/config.json");
  for (const { schedule, path } of config.crons ?? []) {
    try {
      parseCron(schedule);
    } catch (error) {
      throw badRequest(`Invalid cron for ${path} in .vercel/output/config.json: ${(error as Error).message}`);
    }
  }

  const functions = new Map<string, BuiltFunction>();
  for (const file of await filesBelow(join(output, "functions"))) {
    if (!file.endsWith(".func/.vc-config.json")) continue;
    const name = file.slice(0, -".func/.vc-config.json".length);
    const base = join(output, "functions", `${name}.func`);
    const settings = await readConfig(join(base, ".vc-config.json"), functionConfig, `functions/${file}`);
    const handler = join(base, settings.handler);
    if (!handler.startsWith(base + sep)) throw badRequest(`functions/${file}: the handler lies outside its function`);
    functions.set(name, {
      name,
      handler,
      maxDuration: settings.maxDuration,
      environment: settings.environment ?? {},
    });
  }

  const statics = await filesBelow(join(output, "static"));
  return { config, functions, statics: new Map(statics.map((file) => [file, join(output, "static", file)])) };
}

async function readConfig<T>(file: string, schema: z.ZodType<T>, called: string): Promise<T> {
  const text = await readFile(file, "utf8").catch(() => {
    throw badRequest(`${called} is missing: the local cloud runs prebuilt output only, so build before deploying.`);
  });
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw badRequest(`${called} is not valid: ${why}`);
  }
}

/** Files below `folder`, relative and with `/`; none when it does not exist. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"));
}
