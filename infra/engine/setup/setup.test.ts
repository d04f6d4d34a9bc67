import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SetupError, type Step, setUp } from "./setup.mjs";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "handrail-setup-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A step that makes one file and counts how often it was asked to. */
function step(name: string, key = () => "1") {
  const file = join(folder, name);
  const made = {
    name,
    file,
    times: 0,
    key,
    async ensure() {
      made.times++;
      writeFileSync(file, `made ${made.times} times`);
      return { text: "made", witnesses: [file] };
    },
  };
  return made satisfies Step;
}

const read: string[] = [];
const start = (...steps: Step[]) => {
  read.length = 0;
  return setUp({
    steps,
    stamp: join(folder, "setup.json"),
    lock: join(folder, "setup.lock"),
    write: (text) => read.push(text),
  });
};

describe("set-up", () => {
  it("does nothing and says nothing the second time", async () => {
    const [one, two] = [step("one"), step("two")];
    expect(await start(one, two)).toBe(true);
    expect(read.join("")).toContain("made");
    expect(await start(one, two)).toBe(false);
    expect([one.times, two.times]).toEqual([1, 1]);
    expect(read).toEqual([]);
  });

  it("does again only the step whose result was changed or deleted", async () => {
    const [one, two] = [step("one"), step("two")];
    await start(one, two);
    rmSync(two.file);
    expect(await start(one, two)).toBe(true);
    expect([one.times, two.times]).toEqual([1, 2]);
  });

  it("does a step again when what it depends on has changed", async () => {
    let lockfile = "a";
    const one = step("one", () => lockfile);
    await start(one);
    lockfile = "b";
    await start(one);
    expect(one.times).toBe(2);
  });

  it("keeps what was done before a step that failed, and names the command that fixes it", async () => {
    const one = step("one");
    const broken: Step = {
      name: "two",
      key: () => "1",
      ensure: () => Promise.reject(new SetupError("It is missing.", "apt-get install it")),
    };
    await expect(start(one, broken)).rejects.toThrow(/It is missing[\s\S]*\n {4}apt-get install it\n/);
    expect(existsSync(join(folder, "setup.lock"))).toBe(false);
    await start(one, step("two"));
    expect(one.times).toBe(1);
  });

  it("survives a stamp file that is not JSON", async () => {
    writeFileSync(join(folder, "setup.json"), '{"one": {"ke');
    const one = step("one");
    expect(await start(one)).toBe(true);
    expect(await start(one)).toBe(false);
  });

  it("does the work once when two start at the same time", async () => {
    const one = step("one");
    await Promise.all([start(one), start(one), start(one)]);
    expect(one.times).toBe(1);
  });

  it("waits for the process that a killed set-up has left behind, such as npm or apt in the middle of its work", async () => {
    const left = spawn("sleep", ["600"]);
    writeFileSync(
      join(folder, "setup.lock"),
      JSON.stringify([{ pid: 2 ** 22 + 1 }, { pid: left.pid, started: startTime(left.pid) }]),
    );
    const one = step("one");
    const done = start(one);
    await expect.poll(() => read.join("")).toContain(`process ${left.pid}`);
    expect(one.times).toBe(0);
    left.kill();
    await done;
    expect(one.times).toBe(1);
  });

  it("goes on where it stopped after it was killed midway", async () => {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL("./fixtures/slow-setup.mjs", import.meta.url)), folder],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === "second step started") break;
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(existsSync(join(folder, "setup.lock"))).toBe(true);
    expect(readFileSync(join(folder, "two"), "utf8")).toBe("half");

    const [one, two] = [step("one"), step("two")];
    expect(await start(one, two)).toBe(true);
    expect([one.times, two.times]).toEqual([0, 1]);
    expect(existsSync(join(folder, "setup.lock"))).toBe(false);
  });
});

function startTime(pid: number | undefined) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}
