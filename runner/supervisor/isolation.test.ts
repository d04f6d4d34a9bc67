import { describe, expect, test } from "vitest";
import type { Ready } from "../executor/protocol.ts";
import { EXECUTOR_USER } from "../vm.ts";
import { isolationFault, isolationHere } from "./isolation.ts";

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
  changeable: [],
};

describe("an executor gets a user of its own", () => {
  const whole = "         0          0 4294967295\n";
  test.each<[string, number, string, string]>([
    ["wherever root runs the supervisor", 0, whole, "uid"],
    ["also in a user namespace that has this user", 0, "0 100000 60000\n64000 170000 10\n", "uid"],
    ["but not where a user namespace has only one", 0, "0 1000 1\n", "namespaces"],
    ["or ends right before it", 0, `0 100000 ${EXECUTOR_USER.uid}\n`, "namespaces"],
    ["nor without root", 1000, whole, "namespaces"],
  ])("%s", (_what, euid, map, way) => {
    expect(isolationHere(euid, map)).toBe(way);
  });
});

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
    ["able to change the supervisor's programs", { changeable: ["/opt"] }, /could change .*: \/opt$/],
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
