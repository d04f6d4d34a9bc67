import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { places } from "../engine/places.mjs";
import { type LocalCloud, startLocalCloud } from "./cloud.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "handrail-cloud-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = (stateDir: string) => startLocalCloud({ stateDir, nodeBinary: places().node });

describe("a folder that is not a local cloud's", () => {
  test("keeps what is in it", async () => {
    const home = join(folder, "home");
    await mkdir(join(home, "state"), { recursive: true });
    await writeFile(join(home, "notes.txt"), "mine");
    await expect(start(home)).rejects.toThrow(/holds what none has made \(notes\.txt\)\. Name a folder that is new/);
    expect((await readdir(home)).sort()).toEqual(["notes.txt", "state"]);
  });

  test("is refused in words when it is a file", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    await expect(start(file)).rejects.toThrow(/cannot keep its state in \S+file: it is a file\. Name a folder/);
  });
});

test("of two that start at once one runs, and the other says which", async () => {
  const stateDir = join(folder, "two");
  const clouds = await Promise.allSettled([start(stateDir), start(stateDir)]);
  const running = clouds.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
  const refused = clouds.flatMap((one) => (one.status === "rejected" ? String(one.reason) : []));
  try {
    expect(refused).toEqual([expect.stringContaining(`A local cloud runs already (process ${process.pid})`)]);
    const [{ endpoints }] = running as [LocalCloud];
    expect(existsSync(endpoints.caFile)).toBe(true);
    expect((await fetch(`${endpoints.anthropicBaseUrl}/console/clock`)).status).toBe(200);
  } finally {
    for (const cloud of running) await cloud.close();
  }
  // Its folder is free again, and what it left there is removed.
  await writeFile(join(stateDir, "left"), "");
  const next = await start(stateDir);
  await next.close();
  expect(await readdir(stateDir)).not.toContain("left");
});
