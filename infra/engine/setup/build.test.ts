import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { engineVersion } from "../places.mjs";
import { buildEngine } from "./build.mjs";
import { versionOf } from "./engine.mjs";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "handrail-build-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A Go that answers like the real one and notes each question; `build` writes an engine that knows its version. */
function go({
  version = "go1.26.8",
  build = `printf '#!/bin/sh\\necho v${engineVersion}\\n' > "$6"; chmod 755 "$6"`,
} = {}) {
  const script = `#!/bin/sh
echo "$1" >> ${folder}/asked
case "$1" in
env) echo ${version};;
list) echo "go: downloading example.com/module v1.0.0" >&2; echo example.com/package;;
build) shift; ${build};;
esac
`;
  writeFileSync(join(folder, "go"), script);
  chmodSync(join(folder, "go"), 0o755);
}
const noted: string[] = [];
const note = (...text: unknown[]) => noted.push(text.join(" "));
const build = () => {
  noted.length = 0;
  return buildEngine(
    { begin: note, progress: note, done: note, note },
    { PATH: `${folder}:/usr/bin:/bin`, XDG_CACHE_HOME: folder },
    async (binary) => (await versionOf(binary)) === engineVersion,
  );
};
const asked = () => readFileSync(join(folder, "asked"), "utf8").trim().split("\n");

it("builds the engine once for all checkouts of a user, and says beforehand how long it takes", async () => {
  go();
  const first = await build();
  expect(first).toMatchObject({ source: "built from source" });
  expect(noted.join("\n")).toMatch(/building Pulumi 3\.\S+ with go1\.26\.8, the first time 4 to 10 minutes/);
  expect(await build()).toEqual({ ...Object(first), source: "built from source before" });
  expect(asked()).toEqual(["env", "list", "build"]);
});

it("removes what a build that was killed has left, and builds again what does not run", async () => {
  go();
  const { binary } = Object(await build()) as { binary: string };
  writeFileSync(binary, "cut off");
  writeFileSync(join(dirname(binary), "draft.1"), "half");
  await build();
  expect(await versionOf(binary)).toBe(engineVersion);
  expect(readdirSync(dirname(binary))).toEqual(["pulumi"]);
});

it.each([
  ["there is no Go", undefined, /there is no go on PATH/],
  ["Go is too old", { version: "go1.22.0" }, /Go 1\.26 is needed, this is go1\.22\.0/],
  ["the build fails", { build: "echo no space left on device; exit 1" }, /failed: no space left on device/],
  ["what was built does not run", { build: 'echo nonsense > "$6"' }, /building it from source failed/],
])("when %s, says so and leaves no engine behind", async (_, fake, reason) => {
  mkdirSync(join(folder, "handrail"));
  if (fake) go(fake);
  const result = fake
    ? await build()
    : await buildEngine(
        { begin: note, progress: note, done: note, note },
        { PATH: folder, XDG_CACHE_HOME: folder },
        async () => true,
      );
  expect(result).toMatch(reason);
  const [cache = ""] = readdirSync(join(folder, "handrail", "engine"));
  expect(existsSync(join(folder, "handrail", "engine", cache, "pulumi"))).toBe(false);
});
