import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { HandoverError, parseHandover, readHandover, serializeHandover } from "./handover.ts";
import { testHandover } from "./testing/handover.ts";

describe("a handover", () => {
  test("arrives as it was sent", () => {
    const handover = testHandover();
    expect(parseHandover(`${serializeHandover(handover)}\n`)).toEqual(handover);
  });

  test.each([
    [{ version: 2 }, /version/],
    [{ sessionId: "a/b" }, /sessionId: must be an id/],
    [{ anthropicBaseUrl: "file:///etc/passwd" }, /anthropicBaseUrl/],
    [{ deadlineMs: "soon" }, /deadlineMs/],
    [{ variables: { customer: "a b" } }, /variables\.customer: may hold/],
    [{ tickets: { supervisor: "A".repeat(32) } }, /tickets\.supervisor: must be 32 lower-case hex digits/],
    [{ policyDigest: "sha256:x" }, /policyDigest/],
    [{ environmentKey: "sk-ant-oat01-x" }, /environmentKey/],
  ])("with %j is refused, with the field and without the value", (fields, message) => {
    const text = JSON.stringify({ ...testHandover(), ...fields });
    const refuse = () => parseHandover(text);
    expect(refuse).toThrow(HandoverError);
    expect(refuse).toThrow(message);
    expect(refuse).not.toThrow(/aaaa|AAAA|sk-ant/);
  });

  test("that is not JSON is refused without being quoted", () => {
    expect(() => parseHandover(`{"tickets":"${"a".repeat(32)}`)).toThrow(/^the handover is not JSON$/);
  });

  test("too large for a pipe is refused before it is sent", () => {
    const customer = "c".repeat(4000);
    expect(() => serializeHandover(testHandover({ variables: { customer } }))).toThrow(/without a temporary file/);
  });
});

describe("the descriptor", () => {
  test("is closed once it was read, so that no child inherits it", () => {
    const folder = mkdtempSync(join(tmpdir(), "handrail-handover-"));
    writeFileSync(join(folder, "handover"), serializeHandover(testHandover()));
    const fd = openSync(join(folder, "handover"), "r");
    expect(readHandover(fd)).toEqual(testHandover({ deadlineMs: expect.any(Number) as unknown as number }));
    expect(() => fstatSync(fd)).toThrow(/EBADF/);
    rmSync(folder, { recursive: true });
  });

  test("that is not open says how to start the runner", () => {
    const fd = openSync("/dev/null", "r");
    closeSync(fd);
    expect(() => readHandover(fd)).toThrow(/EBADF.*boot\.sh/);
  });
});
