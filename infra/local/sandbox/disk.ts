/**
 * A sandbox's disk: `root/` is `/`, `usr-local/` is `/usr/local`; all else of `/usr` is the host's, read-only.
 * Trees are made, copied, measured and removed here, never written into once a guest has had them: a guest may have
 * left symbolic links that lead out.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, chown, copyFile, cp, lstat, mkdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";

/** uid and gid of the image's default user, `vercel-sandbox`. */
export const DEFAULT_UID = 1000;
export const DEFAULT_USER = "vercel-sandbox";
/** Where relative paths start. */
export const DEFAULT_CWD = "/vercel/sandbox";

const MERGED = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
const FROM_HOST = ["ld.so.cache", "alternatives", "localtime", "login.defs", "nsswitch.conf", "protocols", "services"];
const PASSWD = `root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
${DEFAULT_USER}:x:${DEFAULT_UID}:${DEFAULT_UID}::/home/${DEFAULT_USER}:/bin/bash
`;
const GROUP = `root:x:0:
tty:x:5:
nogroup:x:65534:
${DEFAULT_USER}:x:${DEFAULT_UID}:
`;

/**
 * Makes the disk that every fresh sandbox starts from, without anything of this machine but its read-only programs.
 *
 * @param owned Whether files can be given to the default user, which takes root.
 * @returns Names in `/` that are real directories on the host and must be mounted (empty where /usr is merged).
 */
export async function makeBaseDisk(disk: string, owned: boolean): Promise<string[]> {
  const root = join(disk, "root");
  const folders = ["dev", "etc/ssl/certs", "home", "opt", "proc", "root", "run", "tmp", "usr", "vercel", "workspace"];
  for (const folder of [...folders, "var/tmp", "var/log", "var/lib", "var/cache", "etc/alternatives"])
    await mkdir(join(root, folder), { recursive: true, mode: 0o755 });
  for (const folder of ["bin", "lib", "share/ca-certificates", "etc"])
    await mkdir(join(disk, "usr-local", folder), { recursive: true, mode: 0o755 });
  await symlink("/run", join(root, "var/run"));
  await chmod(join(root, "tmp"), 0o1777);
  await chmod(join(root, "var/tmp"), 0o1777);
  await chmod(join(root, "root"), 0o700);
  for (const path of [`home/${DEFAULT_USER}`, "vercel/sandbox", "workspace"]) {
    await mkdir(join(root, path), { recursive: true, mode: 0o755 });
    if (owned) await chown(join(root, path), DEFAULT_UID, DEFAULT_UID);
  }
  await writeFile(join(root, "etc/passwd"), PASSWD, { mode: 0o644 });
  await writeFile(join(root, "etc/group"), GROUP, { mode: 0o644 });
  await writeFile(join(root, "etc/profile"), "umask 022\n", { mode: 0o644 });
  // Mount point of the Node binary.
  await writeFile(join(disk, "usr-local/bin/node"), "", { mode: 0o755 });
  for (const name of FROM_HOST) await copyIfThere(join("/etc", name), join(root, "etc", name));

  const mounted: string[] = [];
  for (const name of MERGED) {
    const stat = await lstat(join("/", name)).catch(() => null);
    if (stat?.isSymbolicLink()) await symlink(await readlink(join("/", name)), join(root, name));
    else if (stat?.isDirectory()) {
      await mkdir(join(root, name));
      mounted.push(name);
    }
  }
  return mounted;
}

async function copyIfThere(from: string, to: string): Promise<void> {
  const stat = await lstat(from).catch(() => null);
  if (stat?.isDirectory()) await cp(from, to, { recursive: true, verbatimSymlinks: true });
  else if (stat) await copyFile(from, to);
}

/** Copies a disk with owners, modes and links, sharing blocks where the file system can. */
export async function copyDisk(from: string, to: string): Promise<void> {
  await run("cp", ["-a", "--reflink=auto", "--", from, to]);
}

/**
 * Checks that the places where a start mounts something are still what the base disk had there: a guest that was root
 * could have left links in a snapshot.
 *
 * @throws Error naming the first place that is not.
 */
export async function assertMountPoints(disk: string, mounted: string[]): Promise<void> {
  const folders = ["dev", "proc", "run", "usr", ...mounted].map((name) => join("root", name));
  for (const path of [...folders, "usr-local", "usr-local/bin"]) {
    const stat = await lstat(join(disk, path)).catch(() => null);
    if (!stat?.isDirectory()) throw new Error(`this disk cannot be started: /${path} is not a directory`);
  }
  const node = await lstat(join(disk, "usr-local/bin/node")).catch(() => null);
  if (!node?.isFile()) throw new Error("this disk cannot be started: /usr/local/bin/node was replaced");
}

/** Digest ("sha256:<hex>") and size in bytes of a disk, as a tar archive with sorted names. */
export async function measureDisk(disk: string): Promise<{ digest: string; sizeBytes: number }> {
  const tar = spawn(
    "tar",
    [
      "-C",
      disk,
      "--sort=name",
      "--numeric-owner",
      "--format=posix",
      "--pax-option=delete=atime,delete=ctime",
      "-cf",
      "-",
      ".",
    ],
    {
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const hash = createHash("sha256");
  let sizeBytes = 0;
  tar.stdout.on("data", (chunk: Buffer) => {
    sizeBytes += chunk.length;
    hash.update(chunk);
  });
  await finished(tar.stdout);
  return { digest: `sha256:${hash.digest("hex")}`, sizeBytes };
}

/** Removes a disk, also one whose folders were made unreadable. */
export async function removeDisk(disk: string): Promise<void> {
  try {
    await rm(disk, { recursive: true, force: true });
  } catch {
    await run("chmod", ["-R", "u+rwX", "--", disk]);
    await rm(disk, { recursive: true, force: true });
  }
}

function run(command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (bytes) => {
    complaint = `${complaint}${bytes}`.slice(-2_000);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`${command} failed: ${complaint.trim()}`))));
  });
}
