import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { engineVersion } from "../places.mjs";
import { findInstalled, isAtLeast, shellQuote } from "./engine.mjs";

describe("a version is good enough", () => {
  it.each([
    ["3.259.0", true, "when it is the same"],
    ["3.260.0", true, "when it is later"],
    ["3.259.10", true, "when its patch is later"],
    ["3.258.9", false, "not when it is earlier"],
    ["3.26.0", false, "not when only its digits look later"],
    ["4.0.0", false, "not when its major is another"],
    ["3.259.0-alpha.1", false, "not when it is a pre-release of ours"],
    ["3.260.0-alpha.1+dirty", true, "when it is a pre-release of a later one"],
    ["nonsense", false, "not when it is none"],
  ])("%s: %s, %s", (version, good) => {
    expect(isAtLeast(version, "3.259.0")).toBe(good);
  });
});

describe("an installed engine", () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "handrail-engine-")));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A program that answers `pulumi version`, with or without a language host beside it. */
  function install(name: string, version: string, { languageHost = true } = {}) {
    const bin = join(folder, name);
    mkdirSync(bin, { recursive: true });
    const script = (file: string, body: string) => {
      writeFileSync(join(bin, file), `#!/bin/sh\n${body}\n`);
      chmodSync(join(bin, file), 0o755);
    };
    script("pulumi", `[ "$1" = version ] && echo v${version}`);
    if (languageHost) script("pulumi-language-nodejs", "exit 1");
    return bin;
  }
  const find = (path: string[], more: Record<string, string> = {}) =>
    findInstalled(folder, { PATH: path.join(delimiter), HOME: folder, ...more });

  it("on PATH is used when it is new enough and has its language host beside it", async () => {
    const bin = install("bin", engineVersion);
    expect(await find([bin])).toMatchObject({
      binary: join(bin, "pulumi"),
      version: engineVersion,
      withLanguageHost: true,
    });
  });

  it("is passed over when it is too old, for a newer one later on PATH", async () => {
    const newer = install("newer", "3.300.1");
    expect(await find([install("old", "3.9.0"), newer])).toMatchObject({ binary: join(newer, "pulumi") });
  });

  it("is passed over when its language host is missing, as npm's global shim is", async () => {
    expect(await find([install("bare", engineVersion, { languageHost: false })])).toBeUndefined();
  });

  it("is found through a link, beside whose target the language host lies", async () => {
    const bin = install("Cellar", engineVersion);
    const links = join(folder, "links");
    mkdirSync(links);
    symlinkSync(join(bin, "pulumi"), join(links, "pulumi"));
    expect(await find([links])).toMatchObject({ binary: join(bin, "pulumi") });
  });

  it("that this checkout's own node_modules put on PATH is npm's shim, and not asked", async () => {
    expect(await find([install("node_modules/.bin", engineVersion)])).toBeUndefined();
  });

  it("that npm's package downloaded before is found below PULUMI_HOME", async () => {
    const bin = install(join("home", "versions", engineVersion, "bin"), engineVersion);
    expect(await find([], { PULUMI_HOME: join(folder, "home") })).toMatchObject({ binary: join(bin, "pulumi") });
  });

  it("that does not run is passed over", async () => {
    const bin = install("broken", engineVersion);
    writeFileSync(join(bin, "pulumi"), "not a program");
    expect(await find([bin])).toBeUndefined();
  });
});

it("quotes a path so that the shell reads it as it is", () => {
  expect(shellQuote("/it's $HOME")).toBe(`'/it'\\''s $HOME'`);
});
