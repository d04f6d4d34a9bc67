/**
 * How an executor is kept apart from the supervisor: which programs start it, and what it must be once it runs.
 *
 * Two ways. Which one is a fact of the machine, and never a second try when the first way failed:
 * - `uid`: a user of its own, wherever that user exists. Nothing of the supervisor can be opened, traced or signalled.
 * - `namespaces`: where there is no second user id (no root, or a user namespace with one id in it), a user namespace
 *   below the supervisor's. The kernel refuses to trace upwards even with the same uid (ptrace(2), user_namespaces(7)),
 *   so `/proc/<supervisor>/environ` and `mem` stay closed, and with its own PID namespace it cannot see it at all.
 *   Since every file of the supervisor's user would be the executor's too, it sees the file system read-only but for the
 *   workspace and a /tmp of its own. It cannot undo that: it holds no capability in the namespace that made these mounts,
 *   and in a namespace below, where it may hold all, they come locked (mount_namespaces(7)).
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
  readonly prlimit: string;
  /** Needed where the way is `namespaces`. */
  readonly mount?: string;
  /** Either brings up loopback. */
  readonly ip?: string;
  readonly perl?: string;
}

/**
 * The way in which executors are kept apart here: as a user of their own wherever root runs the supervisor and that user
 * exists in its user namespace.
 *
 * @param uidMap content of `/proc/self/uid_map`: first id inside, first id outside, count; a line each.
 */
export function isolationHere(euid: number, uidMap: string): Isolation {
  const ranges = uidMap
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const exists = ranges.some(([first = 0, , count = 0]) => {
    return EXECUTOR_USER.uid >= first && EXECUTOR_USER.uid < first + count;
  });
  return euid === 0 && exists ? "uid" : "namespaces";
}

/** What an executor is for. What serves file tools starts no program. */
export type ExecutorKind = "file" | "command";

/**
 * Most processes and threads of the executor's user (in the way without one: of the executor). File tools go on when
 * commands have used theirs up.
 */
export const MAX_PROCESSES: Readonly<Record<ExecutorKind, number>> = { command: 1024, file: 2048 };

/** Largest file that an executor may write, in bytes. */
const MAX_FILE_BYTES = 4 * 1024 ** 3;

// When memory runs out, commands end before anything else does. Lowering it again takes a capability.
const FIRST_TO_END = "{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null || :";

/** Folders of an executor. */
export interface ExecutorFolders {
  readonly workspace: string;
  /** What is its /tmp in the way without a user of its own. */
  readonly scratch: string;
}

// Brings up the loopback device of an empty network namespace, for tests that listen on it. Best effort: neither program
// is sure to be on the image, and nothing depends on it. SIOCSIFFLAGS with IFF_UP|IFF_RUNNING (netdevice(7)).
function loopbackUp({ ip, perl }: Launchers): string {
  const call =
    '-MSocket -e \'socket(S, AF_INET, SOCK_DGRAM, 0) and $r = pack("a16 s x22", "lo", 0x41) and ioctl(S, 0x8914, $r)\'';
  const ways = [ip && `${quoted(ip)} link set lo up 2>/dev/null`, perl && `${quoted(perl)} ${call} 2>/dev/null`, ":"];
  return ways.filter(Boolean).join(" || ");
}

// The first process of a PID namespace must collect every orphan. A shell that waits does; node, as the first process,
// would leave them as zombies. Its background job gets the shell's own stdin back from descriptor 3.
const INIT = 'exec 3<&0; "$@" <&3 3<&- & exec 3<&-; wait $!';

/** Makes every mount read-only but the workspace, /tmp, and what the kernel itself answers for. */
function readOnlyMounts(mount: string, { workspace, scratch }: ExecutorFolders): string {
  const [program, work, temporary] = [quoted(mount), quoted(workspace), quoted(scratch)];
  return [
    `${program} -n --rbind ${work} ${work} && ${program} -n --bind ${temporary} /tmp || exit 1`,
    "while read -r _ _ _ _ point options _; do",
    `  case $point in ${work} | ${work}/* | /tmp | /proc | /proc/* | /dev | /dev/*) continue ;; esac`,
    // All other flags must be named again, or the kernel takes it for an attempt to clear them. A mount out of reach
    // cannot be changed, neither here nor by the executor; the executor says whether anything that matters is left.
    `  case $options in rw | rw,*) ${program} -n -o "remount,bind,ro\${options#rw}" none "$point" 2>/dev/null ;; esac`,
    "done < /proc/self/mountinfo",
  ].join("\n");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * The command line that starts `program` as an executor.
 *
 * @param program absolute path and arguments.
 */
export function isolated(
  isolation: Isolation,
  kind: ExecutorKind,
  network: ExecutorNetwork,
  launchers: Launchers,
  folders: ExecutorFolders,
  program: readonly string[],
): string[] {
  const { unshare, setpriv, sh, prlimit, mount } = launchers;
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
  // Inside the user namespace, where there is one: what its user runs elsewhere does not count (since Linux 5.14).
  const limits = [`--nproc=${MAX_PROCESSES[kind]}`, `--fsize=${MAX_FILE_BYTES}`, "--core=0"];
  const dropped = [
    prlimit,
    ...limits,
    "--",
    setpriv,
    ...user,
    ...drop,
    "--pdeathsig",
    "KILL",
    sh,
    "-c",
    INIT,
    sh,
    ...program,
  ];
  const steps = [FIRST_TO_END];
  if (network === "none") steps.push(loopbackUp(launchers));
  if (isolation === "namespaces") {
    if (mount === undefined) throw new Error("mount is not on the PATH of the image");
    steps.push(readOnlyMounts(mount, folders));
  }
  const prepared = [sh, "-c", [...steps, 'exec "$@"'].join("\n"), sh, ...dropped];
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
  const { uid, gid, groups, noNewPrivileges, capabilities, pidNamespace, networkNamespace, changeable } = ready;
  if (isolation === "uid" && (uid !== EXECUTOR_USER.uid || gid !== EXECUTOR_USER.gid || groups.length > 0)) {
    return `it runs as uid ${uid}, gid ${gid}, groups [${groups}], not as ${EXECUTOR_USER.uid} alone`;
  }
  if (!noNewPrivileges) return "no_new_privs is not set";
  const held = Object.entries(capabilities).filter(([, mask]) => !/^0+$/.test(mask));
  if (held.length > 0) return `it holds capabilities: ${held.map(([set, mask]) => `${set} ${mask}`).join(", ")}`;
  if (pidNamespace === own.pidNamespace) return "it shares the supervisor's PID namespace";
  if (network === "none" && networkNamespace === own.networkNamespace) return "it shares the supervisor's network";
  if (changeable.length > 0) return `it could change what the supervisor runs: ${changeable.join(", ")}`;
  return undefined;
}
