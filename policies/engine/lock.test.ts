import { expect, test } from "vitest";
import supportPolicy from "../support.policy.ts";
import { compile } from "./compile.ts";
import { parseLock, serializeLock } from "./lock.ts";
import { egressTable } from "./table.ts";

const lock = compile(supportPolicy);
const text = serializeLock(lock);

test("a lock comes back from its file as it was", () => expect(parseLock(JSON.parse(text))).toEqual(lock));

test("its file does not depend on the order of keys", () => {
  const { phases, ...rest } = lock;
  expect(serializeLock({ phases, ...rest })).toBe(text);
});

test("an edited lock is refused", () => {
  const edited = JSON.parse(text.replaceAll("packages.example", "elsewhere.example"));
  expect(() => parseLock(edited)).toThrow(/digest: is sha256:.* but the content has sha256:.*npm run policy -- lock/);
});

test("a lock with an unknown key is refused", () => {
  const edited = { ...JSON.parse(text), extra: true };
  expect(() => parseLock(edited)).toThrow(/lock: Unrecognized key/);
});

test("a lock tells what is bound from what the model chooses", () => {
  expect(text).toContain('[[{ "text": "v1" }], [{ "text": "customers" }], [{ "variable": "customer" }]]');
});

test("the table names every grant by principal", () => {
  expect(egressTable(lock)).toMatchObject({
    get_customer: { "GET api.crm.example/v1/customers/{customer}": "credentialed(crm)" },
    add_note: { "POST api.crm.example/v1/customers/{customer}/notes": "credentialed(crm-write)" },
    sandbox: { "GET packages.example/*": "plain", "HEAD packages.example/*": "plain" },
    setup: { "GET packages.example/*": "plain", "HEAD packages.example/*": "plain" },
  });
  expect(Object.keys(egressTable(lock).supervisor ?? {})).toHaveLength(6);
});
