/** What every route shares: the hono environment, reading of bodies and queries. */
import type { HttpBindings } from "@hono/node-server";
import type { Context, Hono } from "hono";
import type { z } from "zod";
import type { Principal } from "./auth.ts";
import { badRequest, parse } from "./errors.ts";

export interface ApiEnv {
  Bindings: HttpBindings;
  Variables: { principal: Principal | null | undefined; requestId: string };
}
export type ApiContext = Context<ApiEnv>;
export type ApiApp = Hono<ApiEnv>;

/** The JSON body, checked; an absent body counts as `{}`. @throws ApiError 400 */
export async function readBody<T>(c: ApiContext, schema: z.ZodType<T>): Promise<T> {
  const text = await c.req.text();
  let json: unknown = {};
  if (text !== "") {
    try {
      json = JSON.parse(text);
    } catch {
      throw badRequest("The request body is not valid JSON");
    }
  }
  return parse(schema, json);
}

/**
 * The query, checked. `types[]=a&types[]=b` arrives as the array `types`; `beta` is dropped, since SDKs before 1.2 send
 * it with every call.
 *
 * @throws ApiError 400
 */
export function readQuery<T>(c: ApiContext, schema: z.ZodType<T>): T {
  const query: Record<string, string | string[]> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    if (name.endsWith("[]")) query[name.slice(0, -2)] = values;
    else if (name !== "beta") query[name] = values.at(-1) as string;
  }
  return parse(schema, query);
}
