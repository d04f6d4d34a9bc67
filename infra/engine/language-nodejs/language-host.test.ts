import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ensureLocalStack, type PulumiOptions, runPulumi, startPulumi } from "../pulumi.ts";

const cwd = fileURLToPath(new URL("../fixtures/program", import.meta.url));
let localDir: string;
let options: PulumiOptions;
beforeAll(async () => {
  localDir = mkdtempSync(join(tmpdir(), "handrail-language-host-"));
  options = { cwd, localDir };
  await ensureLocalStack("local", options);
});
afterAll(() => rmSync(localDir, { recursive: true, force: true }));

const pulumi = (...args: string[]) => runPulumi(args, options);
const setMode = async (mode: string) => expect((await pulumi("config", "set", "mode", mode)).code).toBe(0);

describe("a program", () => {
  it("is brought up, with its secrets kept, on the lockfile's Node; again it changes nothing", async () => {
    await runPulumi(["config", "set", "--secret", "token"], { ...options, input: "very-secret-value" });
    const up = await pulumi("up", "--yes", "--skip-preview");
    expect(up.code, up.stdout).toBe(0);
    expect(up.stdout).toContain("the program says hello");
    expect(up.stdout).not.toContain("very-secret-value");

    const outputs = JSON.parse((await pulumi("stack", "output", "--json")).stdout);
    expect(outputs).toEqual({ node: "24", cwd: true, secret: "[secret]" });
    const state = readFileSync(join(localDir, "state/.pulumi/stacks/handrail-fixture/local.json"), "utf8");
    expect(state).not.toContain("very-secret-value");
    expect((await pulumi("stack", "output", "secret", "--show-secrets")).stdout).toBe("very-secret-value\n");

    const again = await pulumi("preview", "--expect-no-changes");
    expect(again.code, again.stdout).toBe(0);
  });

  it("leaves the checkout as it was: a local stack's configuration lies with the local cloud", () => {
    expect(readdirSync(cwd).sort()).toEqual(["Pulumi.yaml", "index.ts", "package.json"]);
    expect(existsSync(join(localDir, "Pulumi.local.yaml"))).toBe(true);
  });

  it("that throws is reported once, with its message and the line", async () => {
    await setMode("throws");
    const { code, stdout } = await pulumi("preview");
    expect(code).not.toBe(0);
    expect(stdout).toContain("the fixture throws on purpose");
    expect(stdout).toMatch(/index\.ts:\d+/);
    expect(stdout).not.toContain("exited with code");
  });

  it("that ends the process itself is an error, since it may have left resources out", async () => {
    await setMode("exits");
    const { code, stdout } = await pulumi("preview");
    expect(code).not.toBe(0);
    expect(stdout).toContain("the program exited with code 7");
  });
});

describe("a program that hangs", () => {
  const started: ChildProcess[] = [];
  afterEach(() => {
    for (const child of started.splice(0)) child.kill("SIGKILL");
  });

  /** Starts a preview and resolves when the program runs: with the engine, the program's pid and its host's. */
  async function hang() {
    await setMode("hangs");
    const engine = startPulumi(["preview", "--non-interactive", "--color", "never"], options);
    started.push(engine);
    const ended = once(engine, "exit");
    for await (const line of createInterface({ input: engine.stdout as NodeJS.ReadableStream })) {
      const program = Number(/hanging in (\d+)/.exec(line)?.[1]);
      if (program > 0) return { engine, ended, program, host: parentOf(program) };
    }
    throw new Error("the program did not start");
  }

  it("ends with the engine when the engine is killed", async () => {
    const { engine, ended, program, host } = await hang();
    engine.kill("SIGKILL");
    await ended;
    await Promise.all([gone(program), gone(host)]);
  });

  it("ends with the language host when that is killed, and the engine reports it", async () => {
    const { ended, program, host } = await hang();
    process.kill(host, "SIGKILL");
    await gone(program);
    const [code] = await ended;
    expect(code).not.toBe(0);
  });

  it("ends when the engine and the language host are killed together", async () => {
    const { engine, ended, program, host } = await hang();
    engine.kill("SIGKILL");
    process.kill(host, "SIGKILL");
    await ended;
    await gone(program);
  });

  it("ends when the engine is asked to stop", async () => {
    const { engine, ended, program, host } = await hang();
    engine.kill("SIGINT");
    await ended;
    await Promise.all([gone(program), gone(host)]);
  });

  it("is stopped after the time that the caller gives it", async () => {
    await setMode("hangs");
    const running = runPulumi(["preview"], { ...options, timeoutMs: 3_000 });
    await expect(running).rejects.toThrow(/pulumi preview took longer than 3000 ms/);
  });
});

it("started by hand without an engine, says how it is used", async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./main.ts", import.meta.url))], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const [code] = await once(child, "close");
  expect([code, said]).toEqual([2, expect.stringContaining("usage: pulumi-language-nodejs")]);
});

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** Resolves when the process is gone, or is a zombie that only its parent can take away. */
async function gone(pid: number): Promise<void> {
  const alive = () => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return !stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
    } catch {
      return false;
    }
  };
  await expect.poll(alive, { timeout: 20_000 }).toBe(false);
}
