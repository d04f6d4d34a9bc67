/** What holds for every policy of this repository, whatever a pull request changes. Checked by `policy check`. */
import { credential, host, principal } from "./engine/invariants.ts";

export default [
  credential("crm").isHeldOnlyBy("get_customer"),
  credential("crm").onlyReads(),
  credential("crm-write").isHeldOnlyBy("add_note"),
  credential("session-token").isHeldOnlyBy("supervisor"),
  host("api.anthropic.com").isReachedOnlyBy("supervisor"),
  principal("sandbox").holdsNoCredential(),
];
