import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const SECRET = "crm_read_only-for-this-test";
const MEGABYTE = 1 << 20;
const program = fileURLToPath(new URL("./search.mjs", import.meta.url));
const mask = (text: string) => Buffer.from(Buffer.from(text).map((byte) => byte ^ 0x5a)).toString("base64");

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "handrail-search-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Places below `root` where the probe found the secret. */
function search(): string[] {
  const argument = JSON.stringify({ masked: { crm: mask(SECRET) }, since: 0, root });
  const output = execFileSync(process.execPath, [program, argument], { encoding: "utf8", env: {} });
  const { found } = JSON.parse(output.slice("PROBE ".length)) as { found: { secret: string; place: string }[] };
  expect(found.every(({ secret }) => secret === "crm")).toBe(true);
  return [...new Set(found.map(({ place }) => place))].filter((place) => place.startsWith(root));
}

test("a secret in a file is found, and the probe's own mask of it is not taken for one", () => {
  writeFileSync(join(root, "note"), `token=${SECRET}\n`);
  writeFileSync(join(root, "masked"), mask(SECRET));
  expect(search()).toEqual([join(root, "note")]);
});

test.each([MEGABYTE - 5, 2 * MEGABYTE - 600, 3 * MEGABYTE - SECRET.length])(
  "a secret at byte %i, on the border of two blocks, is found",
  (offset) => {
    writeFileSync(
      join(root, "large"),
      Buffer.concat([Buffer.alloc(offset, "x"), Buffer.from(SECRET), Buffer.alloc(99)]),
    );
    expect(search()).toEqual([join(root, "large")]);
  },
);

test("a link is not followed: what it leads to is searched where it lies", () => {
  symlinkSync(program, join(root, "link"));
  expect(search()).toEqual([]);
});
