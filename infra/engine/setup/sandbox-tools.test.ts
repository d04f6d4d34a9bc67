import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sandboxTools } from "./sandbox-tools.mjs";

let bin: string;
beforeEach(() => {
  bin = mkdtempSync(join(tmpdir(), "handrail-tools-"));
});
afterEach(() => rmSync(bin, { recursive: true, force: true }));

const program = (name: string, body = "exit 0") => {
  writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(bin, name), 0o755);
};
const report = { begin: () => {}, progress: () => {}, done: () => {}, note: () => {} };
const step = (uid: number, platform: NodeJS.Platform = "linux") => sandboxTools({ path: bin, uid, platform });

describe("when bubblewrap is missing", () => {
  beforeEach(() => {
    for (const name of ["unshare", "setpriv", "nsenter"]) program(name);
  });

  it.each([
    ["apt-get", 1000, "sudo apt-get install -y --no-install-recommends bubblewrap"],
    ["dnf", 1000, "sudo dnf install -y bubblewrap"],
    ["pacman", 1000, "sudo pacman -S --noconfirm bubblewrap"],
    ["apk", 0, "apk add bubblewrap"],
    ["zypper", 0, "zypper install -y bubblewrap"],
  ])("with %s and uid %i, the reader is told: %s", async (manager, uid, command) => {
    program(manager);
    await expect(step(uid).ensure(report, () => {})).rejects.toMatchObject({ fix: command });
  });

  it("root with apt gets it installed, after an update of the package lists when they are needed", async () => {
    const log = join(bin, "log");
    program(
      "apt-get",
      `echo "$1" >> ${log}
[ "$1" = update ] && touch ${bin}/lists && exit 0
[ -e ${bin}/lists ] || { echo "E: Unable to locate package bubblewrap"; exit 100; }
printf '#!/bin/sh\\necho bubblewrap 0.8.0\\n' > ${bin}/bwrap; chmod 755 ${bin}/bwrap`,
    );
    expect((await step(0).ensure(report, () => {})).text).toBe("bubblewrap 0.8.0");
    expect(readFileSync(log, "utf8")).toBe("install\nupdate\ninstall\n");
  });

  it("root whose apt fails is told the command, with the update", async () => {
    program("apt-get", "echo no network; exit 100");
    await expect(step(0).ensure(report, () => {})).rejects.toMatchObject({
      message: expect.stringContaining("no network"),
      fix: "apt-get update && apt-get install -y --no-install-recommends bubblewrap",
    });
    expect(existsSync(join(bin, "bwrap"))).toBe(false);
  });
});

it("a namespace tool that is missing names the package that has it", async () => {
  for (const name of ["bwrap", "unshare", "nsenter", "dnf"]) program(name);
  await expect(step(1000).ensure(report, () => {})).rejects.toMatchObject({ fix: "sudo dnf install -y util-linux" });
});

it("a system without Linux namespaces is told where it would work", async () => {
  await expect(step(501, "darwin").ensure(report, () => {})).rejects.toMatchObject({
    fix: expect.stringContaining("docker run"),
  });
});
