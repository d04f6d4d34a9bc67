/**
 * The virtual machine's layout: the one place that knows which paths, users and programs the sandbox image has.
 *
 * The control plane, the snapshot and both processes of the runner read these constants, so that what is installed,
 * what is checked at boot and what is started cannot drift apart.
 */

/** Root-owned folder of the runner's files, written when the snapshot is built. */
export const INSTALL_DIR = "/opt/handrail";

/** What the control plane starts, as root: `sandbox.runCommand({ cmd: BOOT_PATH, sudo: true, detached: true, … })`. */
export const BOOT_PATH = `${INSTALL_DIR}/boot.sh`;

/** The folder that tools work in; owned by the executor's user. */
export const WORKSPACE = "/workspace";

/**
 * The executor's own user. Not the image's default user, which has passwordless sudo on Vercel's images
 * (contracts/vercel-sandbox-api.md §3, Users).
 */
export const EXECUTOR_USER = { name: "handrail", uid: 64001, gid: 64001 } as const;

/** Environment variable that carries the handover into `boot.sh`, and no further. */
export const HANDOVER_VARIABLE = "HANDRAIL_HANDOVER";

/** Descriptor on which `boot.sh` passes the handover to the supervisor. */
export const HANDOVER_FD = 3;

/**
 * Largest handover in bytes. Up to this size every POSIX shell passes a here-document through a pipe (PIPE_BUF);
 * above it bash falls back to a temporary file, and tickets must not touch the disk.
 */
export const HANDOVER_MAX_BYTES = 4000;

/**
 * Variables of the platform by which programs find the firewall's certificate authority. They are the only ones that
 * survive `boot.sh`, and the only ones of the platform that a command tool sees.
 */
export const CA_VARIABLES = [
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "CURL_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "GIT_SSL_CAINFO",
] as const;

/** One command of the snapshot's set-up, in the shape that `sandbox.runCommand` takes. */
export interface SnapshotStep {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly sudo: boolean;
}

const { name, uid, gid } = EXECUTOR_USER;

/**
 * What must run in a fresh sandbox, in this order and after the runner's files were written, before its snapshot is
 * taken. Every step may run again without harm. The image must bring `node` 24, `/bin/sh` and util-linux (`unshare`,
 * `setpriv`, `prlimit`); the last step fails the build where one is missing.
 *
 * @example
 * ```ts
 * for (const step of snapshotSteps) await sandbox.runCommand({ cmd: step.cmd, args: [...step.args], sudo: step.sudo });
 * ```
 */
export const snapshotSteps: readonly SnapshotStep[] = [
  shell(`grep -q '^${name}:' /etc/group || echo '${name}:x:${gid}:' >> /etc/group`),
  shell(
    `grep -q '^${name}:' /etc/passwd || ` +
      `echo '${name}:x:${uid}:${gid}:handrail executor:${WORKSPACE}:/bin/sh' >> /etc/passwd`,
  ),
  root("mkdir", "-p", WORKSPACE),
  // In a user namespace that has no such user (the way without root), the workspace stays whose it is.
  shell(
    `chown -R ${uid}:${gid} ${WORKSPACE} 2>/dev/null || ` +
      `{ read -r _ _ count < /proc/self/uid_map; [ "$count" -le ${uid} ]; } || ` +
      `{ echo "${WORKSPACE} cannot be given to uid ${uid}" >&2; exit 1; }`,
  ),
  root("chmod", "0755", WORKSPACE),
  root("chown", "-R", "0:0", INSTALL_DIR),
  root("chmod", "0755", INSTALL_DIR, BOOT_PATH),
  // What the supervisor starts must be root's, with all that leads to it: some images give node to their default user.
  shell(
    "for program in node sh unshare setpriv prlimit mount ip perl; do " +
      'path=$(command -v "$program") || continue; ' +
      'for path in "$path" "$(readlink -f "$path")"; do while [ "$path" != / ]; do ' +
      '[ -k "$path" ] || { chown -h 0:0 "$path"; [ -L "$path" ] || chmod go-w "$path"; } 2>/dev/null || :; ' +
      'path=$(dirname "$path"); done; done; done',
  ),
  shell(
    'for program in node sh unshare setpriv prlimit sha256sum; do command -v "$program" >/dev/null || ' +
      '{ echo "the image has no $program" >&2; exit 1; }; done; ' +
      "node -e 'process.exit(Number(process.versions.node.split(\".\")[0]) >= 24 ? 0 : 1)' || " +
      '{ echo "the runner needs node 24 or later on PATH" >&2; exit 1; }',
  ),
];

function root(cmd: string, ...args: string[]): SnapshotStep {
  return { cmd, args, sudo: true };
}

function shell(script: string): SnapshotStep {
  return root("sh", "-c", script);
}
