import type { Ready } from "../executor/protocol.ts";

/** How an executor introduces itself that is apart in every way that the supervisor asks for. */
const ZERO = "0".repeat(16);
export const READY: Ready = {
  type: "ready",
  uid: 1,
  gid: 1,
  groups: [],
  noNewPrivileges: true,
  capabilities: { effective: ZERO, permitted: ZERO, inheritable: ZERO, bounding: ZERO, ambient: ZERO },
  pidNamespace: "pid:[1]",
  networkNamespace: "net:[1]",
  loopback: true,
  changeable: [],
};
