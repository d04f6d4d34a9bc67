/**
 * How an executor is kept apart from the supervisor: which programs start it, and what it must be once it runs.
 *
 * Two ways, tried in this order:
 * - `uid`: a user of its own. Nothing of the supervisor can be opened, traced or signalled by it.
 * - `namespaces`: where there is no second user id (no root, or a user namespace with one id in it), a user namespace
 *   below the supervisor's. The kernel refuses to trace upwards even with the same uid (ptrace(2), user_namespaces(7)),
 *   so `/proc/<supervisor>/environ` and `mem` stay closed, and with its own PID namespace it cannot see it at all.
 *
 * Both have no capabilities, `no_new_privs`, and PID, mount and IPC namespaces of their own with their own `/proc`.
 */
import type { Ready } from "../executor/protocol.ts";
import { EXECUTOR_USER } from "../vm.ts";

/** How an executor is kept apart. */
export type Isolation = "uid" | "namespaces";

/** What an executor may reach: what the sandbox may, or nothing (an empty network namespace). */
export type ExecutorNetwork = "sandbox" | "none";

/** Absolute paths of the programs that start an executor. */
export interface Launchers {
  readonly unshare: string;
  readonly setpriv: string;
  readonly sh: string;
}

// Brings up the loopback device of an empty network namespace, for tests that listen on it. Best effort: neither program
// is sure to be on the image, and nothing depends on it. SIOCSIFFLAGS with IFF_UP|IFF_RUNNING (netdevice(7)).
const LOOPBACK_UP = [
  "ip link set lo up 2>/dev/null",
  'perl -MSocket -e \'socket(S, AF_INET, SOCK_DGRAM, 0) and $r = pack("a16 s x22", "lo", 0x41) and ioctl(S, 0x8914, $r)\' 2>/dev/null',
  ":",
].join(" || ");

// The first process of a PID namespace must collect every orphan. A shell that waits does; node, as the first process,
// would leave them as zombies. Its background job gets the shell's own stdin back from descriptor 3.
const INIT = 'exec 3<&0; "$@" <&3 3<&- & exec 3<&-; wait $!';

/**
 * The command line that starts `program` as an executor.
 *
 * @param program absolute path and arguments.
 */
export function isolated(
  isolation: Isolation,
  network: ExecutorNetwork,
  { unshare, setpriv, sh }: Launchers,
  program: readonly string[],
): string[] {
  const namespaces = ["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--ipc"];
  if (network === "none") namespaces.push("--net");
  // Keeps the capabilities over the next `exec`, until loopback is up and setpriv has dropped them.
  if (isolation === "namespaces") namespaces.unshift("--user", "--map-current-user", "--keep-caps");
  const user =
    isolation === "uid"
      ? ["--reuid", String(EXECUTOR_USER.uid), "--regid", String(EXECUTOR_USER.gid), "--clear-groups"]
      : [];
  const drop = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
  // The signal that unshare set for its own end is lost when the user changes (prctl(2), PR_SET_PDEATHSIG).
  const dropped = [setpriv, ...user, ...drop, "--pdeathsig", "KILL", sh, "-c", INIT, sh, ...program];
  const prepared = network === "none" ? [sh, "-c", `${LOOPBACK_UP}; exec "$@"`, sh, ...dropped] : dropped;
  // When the supervisor is killed, unshare is, and with it (--kill-child) everything in the namespaces.
  return [setpriv, "--pdeathsig", "KILL", "--", unshare, ...namespaces, "--", ...prepared];
}

/** What of an executor is compared with the supervisor's own. */
export interface OwnNamespaces {
  readonly pidNamespace: string;
  readonly networkNamespace: string;
}

/**
 * What is wrong with an executor, in words; undefined when it is as it must be. Its own word is good enough for that:
 * it is said by code whose digest was checked, before the first call.
 */
export function isolationFault(
  ready: Ready,
  isolation: Isolation,
  network: ExecutorNetwork,
  own: OwnNamespaces,
): string | undefined {
  const { uid, gid, groups, noNewPrivileges, capabilities, pidNamespace, networkNamespace } = ready;
  if (isolation === "uid" && (uid !== EXECUTOR_USER.uid || gid !== EXECUTOR_USER.gid || groups.length > 0)) {
    return `it runs as uid ${uid}, gid ${gid}, groups [${groups}], not as ${EXECUTOR_USER.uid} alone`;
  }
  if (!noNewPrivileges) return "no_new_privs is not set";
  const held = Object.entries(capabilities).filter(([, mask]) => !/^0+$/.test(mask));
  if (held.length > 0) return `it holds capabilities: ${held.map(([set, mask]) => `${set} ${mask}`).join(", ")}`;
  if (pidNamespace === own.pidNamespace) return "it shares the supervisor's PID namespace";
  if (network === "none" && networkNamespace === own.networkNamespace) return "it shares the supervisor's network";
  return undefined;
}
