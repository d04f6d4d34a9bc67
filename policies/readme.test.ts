import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compile } from "./engine/compile.ts";
import { definePolicy } from "./engine/define.ts";
import { gitCredential, gitRead } from "./engine/git.ts";
import { runInlineTests } from "./engine/inline-tests.ts";
import { READ_ONLY } from "./engine/methods.ts";
import { perCustomer } from "./engine/per-customer.ts";
import type { Policy } from "./engine/policy.ts";
import { checkUnreachable } from "./engine/unreachable.ts";

test("the policy in the README is one", async () => {
  const readme = await readFile(join(import.meta.dirname, "README.md"), "utf8");
  const [, code = ""] = /```ts\nexport default (definePolicy[\s\S]*?);\n```/.exec(readme) ?? [];
  const names = { definePolicy, gitCredential, gitRead, perCustomer, READ_ONLY };
  const policy: Policy = new Function(...Object.keys(names), `return ${code}`)(...Object.values(names));
  expect(runInlineTests(policy).map(({ failure }) => failure)).toEqual([null]);
  expect(checkUnreachable({ policy, lock: compile(policy) }).map(({ failure }) => failure)).toEqual([null]);
});
