import type { Context, Hono } from "hono";
import { badRequest, notFound } from "./api-error.ts";
import { DEFAULT_CWD } from "./disk.ts";
import type { FaultVariables } from "./faults.ts";
import { GuestStartError } from "./machine.ts";
import { check, pathBody } from "./requests.ts";
import type { Sandboxes } from "./sandboxes.ts";

const BASE = "/v2/sandboxes/sessions/:id/fs";

/**
 * The file calls. Each is a program run inside the machine as its default user, so what that user may not touch the
 * API does not touch either, and no path is ever followed on the host.
 */
export function addFileRoutes(app: Hono<FaultVariables>, sandboxes: Sandboxes): void {
  app.post(`${BASE}/mkdir`, async (c) => {
    const { path, cwd, recursive } = check(pathBody, await c.req.json());
    const done = await runTool(sandboxes, c, "mkdir", [...(recursive ? ["-p"] : []), "--", path], cwd);
    if (done.code !== 0) throw badRequest(done.stderr);
    return c.json({});
  });

  app.post(`${BASE}/write`, async (c) => {
    const args = ["-xzpf", "-", "--no-same-owner", "--touch", "-C", c.req.header("x-cwd") ?? DEFAULT_CWD];
    const done = await runTool(sandboxes, c, "tar", args, "/", c.req.raw.body ?? undefined);
    if (done.code !== 0) throw badRequest(done.stderr);
    return c.json({});
  });

  app.post(`${BASE}/read`, async (c) => {
    const { path, cwd } = check(pathBody, await c.req.json());
    const done = await runTool(sandboxes, c, "cat", ["--", path], cwd);
    if (done.code !== 0)
      throw /No such file|no such directory/.test(done.stderr) ? notFound(path) : badRequest(done.stderr);
    return c.body(new Uint8Array(done.stdout), 200, { "content-type": "application/octet-stream" });
  });
}

async function runTool(
  sandboxes: Sandboxes,
  c: Context<FaultVariables>,
  cmd: string,
  args: string[],
  cwd = DEFAULT_CWD,
  input?: ReadableStream<Uint8Array>,
): Promise<{ code: number; stdout: Buffer; stderr: string }> {
  const session = sandboxes.getLive(c.req.param("id") ?? "");
  const output: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  const process = sandboxes.fileTool(session, {
    cmd,
    args,
    cwd,
    onOutput: (stream, bytes) => output[stream].push(bytes),
  });
  try {
    await process.started;
  } catch (error) {
    if (!(error instanceof GuestStartError) || error.missing === "machine") throw error;
    return { code: 1, stdout: Buffer.alloc(0), stderr: error.message };
  }
  if (input) for await (const chunk of input) process.write(Buffer.from(chunk));
  process.end();
  const code = await process.exited;
  return {
    code,
    stdout: Buffer.concat(output.stdout),
    stderr: Buffer.concat(output.stderr).toString().trim().slice(0, 2_000),
  };
}
