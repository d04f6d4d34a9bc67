import type { Context } from "hono";
import type { z } from "zod";
import { badRequest } from "./http-error.ts";

/** The request's JSON body, checked. @throws VercelError 400 that names the first property that is wrong. */
export async function readJson<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const body = await c.req.json().catch(() => {
    throw badRequest("The request body is not valid JSON.");
  });
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.length ? `\`${issue.path.join(".")}\`` : "body";
  throw badRequest(`Invalid request: ${where} ${issue?.message ?? "is not valid"}.`);
}
