import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildFunctions } from "./build.ts";
import { CRON_SECRET, deploy, OIDC_TOKEN } from "./testing/control-plane.ts";

let dirs: string[];
let digests: string[];
beforeAll(async () => {
  dirs = [];
  digests = [];
  for (let n = 0; n < 2; n += 1) {
    const dir = await mkdtemp(join(tmpdir(), "handrail-functions-"));
    dirs.push(dir);
    digests.push((await buildFunctions(dir)).digest);
  }
});
afterAll(() => Promise.all(dirs.map((dir) => rm(dir, { recursive: true, force: true }))));

const output = (path = "") => join(dirs[0] ?? "", ".vercel/output", path);

test("two builds in two places give the same bytes", async () => {
  expect(digests[0]).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(digests[0]).toBe(digests[1]);
});

test("the output is a Build Output of three Web functions and one cron job", async () => {
  const files = await readdir(output(), { recursive: true, withFileTypes: true });
  expect(
    files
      .filter((file) => file.isFile())
      .map((file) => relative(output(), join(file.parentPath, file.name)))
      .sort(),
  ).toEqual([
    "config.json",
    ...["drain", "health", "webhook"].flatMap((name) => [
      `functions/api/${name}.func/.vc-config.json`,
      `functions/api/${name}.func/index.mjs`,
    ]),
  ]);
  expect(JSON.parse(await readFile(output("config.json"), "utf8"))).toEqual({
    version: 3,
    crons: [{ path: "/api/drain", schedule: "* * * * *" }],
  });
  expect(JSON.parse(await readFile(output("functions/api/drain.func/.vc-config.json"), "utf8"))).toMatchObject({
    runtime: "nodejs24.x",
    handler: "index.mjs",
    launcherType: "Nodejs",
    shouldAddHelpers: false,
  });
});

test("a second build removes what does not belong there, and takes no file away while it runs", async () => {
  await mkdir(output("functions/api/old.func"), { recursive: true });
  await writeFile(output("functions/api/old.func/index.mjs"), "export {}");
  let missing = 0;
  let building = true;
  const watching = (async () => {
    while (building) await readFile(output("functions/api/webhook.func/index.mjs")).catch(() => missing++);
  })();
  const { digest } = await buildFunctions(dirs[0]);
  building = false;
  await watching;
  expect(digest).toBe(digests[0]);
  expect(missing).toBe(0);
  await expect(readFile(output("functions/api/old.func/index.mjs"))).rejects.toThrow("ENOENT");
  expect(await readdir(dirs[0] ?? "")).toEqual([".vercel"]);
});

test("no bundle names a path of the building machine", async () => {
  for (const name of ["drain", "health", "webhook"]) {
    const bundle = await readFile(output(`functions/api/${name}.func/index.mjs`), "utf8");
    expect(bundle).not.toContain(process.cwd());
  }
});

test("a bundle runs on its own, and a deployment without configuration says so instead of failing", async () => {
  const answer = await invoke("webhook", "POST", {}, {});
  expect(answer).toMatch(/^503 .*ANTHROPIC_ENVIRONMENT_ID is not set/);
});

test("a bundle serves a session with nothing but its environment", async () => {
  const deployment = await deploy();
  try {
    deployment.anthropic.addSession("sesn_1");
    const env = { ...deployment.env, VERCEL_OIDC_TOKEN: OIDC_TOKEN };
    const answer = await invoke("drain", "GET", { authorization: `Bearer ${CRON_SECRET}` }, env);
    expect(answer).toMatch(/200 .*"started":1/);
    expect(deployment.api.calls[0]?.headers.authorization).toBe(`Bearer ${OIDC_TOKEN}`);
    expect(deployment.api.calls[0]?.query.get("teamId")).toBe("team_1");
    expect(deployment.anthropic.acked).toEqual(["sesn_1"]);
  } finally {
    await deployment.close();
  }
});

/** Calls a function of the build in a process of its own; returns what it logged, its status and its body. */
async function invoke(name: string, method: string, headers: Record<string, string>, env: Record<string, string>) {
  const url = `file://${output(`functions/api/${name}.func/index.mjs`)}`;
  const request = { method, headers, ...(method === "POST" ? { body: "{}" } : {}) };
  const script = `
    const handlers = await import(${JSON.stringify(url)});
    const request = new Request("https://handrail.example/api/${name}", ${JSON.stringify(request)});
    const response = await handlers.${method}(request);
    console.log(response.status, await response.text());
    process.exit();`;
  const args = ["--input-type=module", "-e", script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: tmpdir(), env });
  return stdout.trim().split("\n").at(-1) ?? "";
}
