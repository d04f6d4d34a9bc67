import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { compactJson } from "../compact-json.ts";
import { evaluate } from "../evaluate.ts";
import { TICKET_HEADER } from "../ticket.ts";
import { compare } from "./compare.ts";
import type { Verdict } from "./comparison.ts";
import { GOLDEN_CASES, sideOf } from "./golden-cases.ts";
import { comparisonText } from "./golden-text.ts";
import { matchesOf } from "./sides.ts";

const folder = join(import.meta.dirname, "..", "..", "goldens");
const schema = z.fromJSONSchema(JSON.parse(readFileSync(join(import.meta.dirname, "comparison.schema.json"), "utf8")));
const swapped: Record<Verdict, Verdict> = {
  equivalent: "equivalent",
  narrower: "wider",
  wider: "narrower",
  incomparable: "incomparable",
};

describe.each(GOLDEN_CASES)("$name", ({ name, verdict, before, after }) => {
  const comparison = compare(sideOf(before), sideOf(after));

  test(`is ${verdict}`, () => expect(comparison.verdict).toBe(verdict));

  test("is told as its golden file says", async () => {
    const text = [
      name,
      `\nOLD ${compactJson(before, 120)}`,
      `NEW ${compactJson(after, 120)}\n`,
      comparisonText(comparison),
    ];
    const file = `${name.replaceAll(/[^a-z0-9]+/gi, "-").replaceAll(/^-|-$/g, "")}.txt`;
    await expect(`${text.join("\n")}\n`).toMatchFileSnapshot(join(folder, file));
  });

  test("is what the JSON Schema describes", () => {
    expect(schema.safeParse(JSON.parse(JSON.stringify(comparison))).error).toBeUndefined();
  });

  test("is the reverse when the sides are swapped, and nothing against itself", () => {
    expect(compare(sideOf(after), sideOf(before)).verdict).toBe(swapped[verdict]);
    expect(compare(sideOf(before), sideOf(before))).toEqual({ verdict: "equivalent", changes: [] });
  });

  test("has witnesses that evaluate confirms on both sides", () => {
    for (const change of comparison.changes) {
      if (change.witness === null) continue;
      const match = matchesOf(sideOf(before), sideOf(after)).find(({ phase }) => phase === change.phase);
      const [, host = "", target = ""] = /^https:\/\/([^/]+)(.*)$/.exec(change.witness.url) ?? [];
      for (const side of ["before", "after"] as const) {
        const ground = match?.[side];
        const headers = Object.entries(change.witness.headers).flatMap(([key, value]) =>
          [value].flat().map((one): [string, string] => [key, one]),
        );
        const ticket = ground?.ticketOf(change.principal);
        if (ticket) headers.push([TICKET_HEADER, ticket]);
        const { outcome } = evaluate(ground?.policy ?? {}, { method: change.witness.method, host, target, headers });
        const { credentials, ...rest } = change[side];
        const { credentials: actual, ...others } = outcome;
        expect(others).toEqual(rest);
        expect(actual?.length).toBe(credentials?.length);
      }
    }
  });
});

test("no golden file is left over", () => {
  expect(readdirSync(folder).length).toBe(GOLDEN_CASES.length);
});
