import { expect, test } from "vitest";
import { layOut } from "./drawing.ts";
import { CHANGES, samplePolicy } from "./testing/samples.ts";

const states = (policy: Parameters<typeof layOut>[0]) =>
  Object.fromEntries(
    layOut(policy).lines.map(({ principal, phase, host, state }) => [`${phase} ${principal} ${host}`, state]),
  );

test("a line is drawn by what the comparison says of it", () => {
  const { gain, loss, swap, undecided, wildcard } = CHANGES;
  expect(states(samplePolicy([gain, loss, swap, undecided, wildcard]))).toEqual({
    "run supervisor api.anthropic.com": "kept",
    "run get_customer api.crm.example": "more",
    "run add_note api.crm.example": "changed",
    "run sandbox packages.example": "kept",
    "run sandbox mirror.example": "undecided",
    "run sandbox *.packages.example": "new",
    "setup sandbox packages.example": "less",
  });
});

test("a line that nobody has any more is gone, and one that is new lets nothing through unless the comparison says so", () => {
  const { grants } = samplePolicy([]);
  const [first, ...others] = grants.after;
  if (first === undefined) throw new Error("the sample has grants");
  const gone = states(samplePolicy([], { grants: { before: grants.before, after: others } }));
  expect(gone["run supervisor api.anthropic.com"]).toBe("gone");
  const added = states(samplePolicy([], { grants: { before: others, after: grants.after } }));
  expect(added["run supervisor api.anthropic.com"]).toBe("kept");
});

test("boxes do not overlap, and every line has its own row", () => {
  const many = Array.from({ length: 30 }, (_, i) => ({
    ...CHANGES.gain,
    host: `api${i % 7}.example`,
    principal: `tool${i}`,
  }));
  const { lines, hosts, principals, rows } = layOut(samplePolicy(many));
  expect(lines.map(({ row }) => row)).toEqual(lines.map((_, i) => i));
  for (const boxes of [hosts, principals]) {
    const sorted = boxes.toSorted((a, b) => a.top - b.top);
    for (const [i, box] of sorted.entries()) {
      expect(box.top).toBeGreaterThanOrEqual(i === 0 ? 0 : (sorted[i - 1]?.top ?? 0) + (sorted[i - 1]?.rows ?? 0));
      expect(box.top + box.rows).toBeLessThanOrEqual(rows);
    }
  }
});

test("of many lines every changed one is drawn, and what is left out is counted", () => {
  const host = (i: number) => `host${String(i).padStart(3, "0")}.example`;
  const kept = Array.from({ length: 200 }, (_, i) => ({
    principal: "sandbox",
    phase: "run" as const,
    host: host(i),
    credential: null,
    requests: ["GET /*"],
  }));
  const last = { ...CHANGES.wildcard, host: host(199) };
  const { lines, leftOut } = layOut(samplePolicy([last], { grants: { before: kept, after: kept } }));
  expect(lines).toHaveLength(80);
  expect(leftOut).toBe(120);
  expect(lines.some((line) => line.host === host(199) && line.state === "more")).toBe(true);
});
