import type { Hono } from "hono";
import { z } from "zod";
import type { CronScheduler } from "./cron.ts";
import { type Faults, faultSchema } from "./faults.ts";
import { notFound } from "./http-error.ts";
import type { ProtectionAnswer } from "./protection.ts";
import { readJson } from "./read-json.ts";

export interface ConsoleRoutes {
  crons: CronScheduler;
  faults: Faults;
  setProtectionAnswer(answer: ProtectionAnswer): void;
}

/** `/console/*`: what a person does in the dashboard, and the fault knobs. On loopback, without a token. */
export function consoleRoutes(app: Hono, { crons, faults, setProtectionAnswer }: ConsoleRoutes): void {
  app.post("/console/cron", async (c) => {
    const { path } = await readJson(c, z.strictObject({ path: z.string().startsWith("/") }));
    const results = await crons.trigger(path);
    if (results.length === 0) throw notFound(`A production deployment with the cron path ${path}`);
    return c.json({ results });
  });

  app.get("/console/faults", (c) => c.json({ faults: faults.list() }));
  app.post("/console/faults", async (c) => {
    const fault = await readJson(c, faultSchema);
    faults.add(fault);
    return c.json(fault, 201);
  });
  app.delete("/console/faults", (c) => {
    faults.clear();
    return c.body(null, 204);
  });

  app.put("/console/protection", async (c) => {
    const { answer } = await readJson(c, z.strictObject({ answer: z.enum(["redirect", "unauthorized"]) }));
    setProtectionAnswer(answer);
    return c.json({ answer });
  });
}
