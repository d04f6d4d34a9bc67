import { describe, expect, test } from "vitest";
import type { Ready } from "../executor/protocol.ts";
import { EXECUTOR_USER } from "../vm.ts";
import { isolationFault } from "./isolation.ts";

const ZERO = "0".repeat(16);
const own = { pidNamespace: "pid:[1]", networkNamespace: "net:[1]" };
const good: Ready = {
  type: "ready",
  uid: EXECUTOR_USER.uid,
  gid: EXECUTOR_USER.gid,
  groups: [],
  noNewPrivileges: true,
  capabilities: { effective: ZERO, permitted: ZERO, inheritable: ZERO, bounding: ZERO, ambient: ZERO },
  pidNamespace: "pid:[2]",
  networkNamespace: "net:[2]",
  loopback: true,
};

describe("an executor that is not kept apart is not used", () => {
  test.each<[string, Partial<Ready>, RegExp | undefined]>([
    ["as it must be", {}, undefined],
    ["root", { uid: 0, gid: 0 }, /uid 0/],
    ["in the image's default group", { groups: [1000] }, /groups \[1000\]/],
    ["able to gain privileges", { noNewPrivileges: false }, /no_new_privs/],
    [
      "with a capability left",
      { capabilities: { ...good.capabilities, bounding: "0000000000200000" } },
      /bounding 0000000000200000/,
    ],
    ["among the supervisor's processes", { pidNamespace: "pid:[1]" }, /PID namespace/],
    ["on the sandbox's network", { networkNamespace: "net:[1]" }, /network/],
  ])("%s", (_what, difference, fault) => {
    const found = isolationFault({ ...good, ...difference }, "uid", "none", own);
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(fault);
  });

  test("the sandbox's network is right for tools that may use it, and the uid for the way without root", () => {
    expect(isolationFault({ ...good, networkNamespace: "net:[1]" }, "uid", "sandbox", own)).toBeUndefined();
    expect(isolationFault({ ...good, uid: 1000, gid: 1000 }, "namespaces", "none", own)).toBeUndefined();
  });
});
