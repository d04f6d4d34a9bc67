import type { Context, Hono } from "hono";
import { notFound } from "./api-error.ts";
import type { Command } from "./command.ts";
import type { FaultVariables } from "./faults.ts";
import { showCommand } from "./records.ts";
import { check, commandBody, killBody } from "./requests.ts";
import type { Sandboxes } from "./sandboxes.ts";

const BASE = "/v2/sandboxes/sessions/:id/cmd";

/** Commands: run, look at, read, kill (contracts/vercel-sandbox-api.md §2.3 rows 9 to 12). */
export function addCommandRoutes(app: Hono<FaultVariables>, sandboxes: Sandboxes): void {
  function find(c: Context<FaultVariables>): Command {
    const command = sandboxes.getSession(c.req.param("id") ?? "").commands.get(c.req.param("cmd") ?? "");
    if (!command) throw notFound(`Command ${c.req.param("cmd")}`);
    return command;
  }

  app.post(BASE, async (c) => {
    const body = check(commandBody, await c.req.json());
    const command = await sandboxes.run(sandboxes.getLive(c.req.param("id")), body);
    if (!body.wait) return c.json({ command: showCommand(command) });
    return ndjson(c, async function* () {
      yield { command: { ...showCommand(command), exitCode: null } };
      if (body.logs) yield* command.logs();
      await command.finished;
      yield { command: showCommand(command) };
    });
  });

  app.get(BASE, (c) => {
    const commands = [...sandboxes.getSession(c.req.param("id")).commands.values()];
    return c.json({ commands: commands.map(showCommand) });
  });

  app.get(`${BASE}/:cmd`, async (c) => {
    const command = find(c);
    if (c.req.query("wait") === "true") await command.finished;
    return c.json({ command: showCommand(command) });
  });

  app.get(`${BASE}/:cmd/logs`, (c) => {
    const command = find(c);
    return ndjson(c, () => command.logs());
  });

  app.post(`${BASE}/:cmd/kill`, async (c) => {
    const { signal } = check(killBody, await c.req.json());
    sandboxes.getLive(c.req.param("id"));
    const command = find(c);
    command.signal(signal);
    return c.json({ command: showCommand(command) });
  });
}

/** A stream of JSON lines; the SDK compares the content type strictly. */
function ndjson(c: Context<FaultVariables>, lines: () => AsyncGenerator<object>): Response {
  const source = lines();
  const encoder = new TextEncoder();
  let left = c.get("cutAfter") ?? Number.POSITIVE_INFINITY;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await source.next();
      if (left-- <= 0) return void c.env.outgoing.destroy();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
    },
    cancel: () => void source.return(undefined),
  });
  return c.body(stream, 200, { "content-type": "application/x-ndjson" });
}
