/** Checks that what the supervisor is made of, and what it starts, is what was released and cannot be changed. */
import { constants } from "node:fs";
import { access, lstat, readdir, readFile, readlink, realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileDigest, type Manifest, manifestDigest, manifestSchema } from "../manifest.ts";
import { BootError } from "./outcome.ts";

/**
 * Compares the installed files with their manifest and with the digest that the control plane was released with.
 *
 * The check is made by one of the files that it checks. It finds a snapshot of another release, a damaged file and a
 * file beside them; that nobody but root can have made such a change is {@link checkOwned}'s part.
 *
 * @throws BootError `bad_install`, naming the file.
 */
export async function checkInstall(dir: string, runnerDigest: string): Promise<void> {
  const manifest = await readManifest(dir);
  const computed = manifestDigest(manifest.files);
  if (computed !== manifest.digest) throw bad(`${dir}/manifest.json lists files that do not give its digest`);
  if (manifest.digest !== runnerDigest) {
    throw bad(
      `the snapshot carries runner ${manifest.digest}, the control plane was released with ${runnerDigest}: ` +
        "deploy both from one release",
    );
  }
  const expected = new Set([...Object.keys(manifest.files), "manifest.json"]);
  for (const name of await readdir(dir)) {
    if (!expected.has(name)) throw bad(`${join(dir, name)} is not part of the runner`);
  }
  for (const [name, digest] of Object.entries(manifest.files)) {
    const content = await readFile(join(dir, name)).catch((error: NodeJS.ErrnoException) => {
      throw bad(`${join(dir, name)} cannot be read (${error.code})`);
    });
    if (fileDigest(content) !== digest) throw bad(`${join(dir, name)} is not the file of its manifest`);
  }
}

/**
 * Checks that the runner's folder and every file in it belong to root (or to whoever runs the supervisor), who alone can
 * write them.
 *
 * @throws BootError `bad_install`, naming the path and what is wrong with it.
 */
export async function checkOwned(dir: string, owners: ReadonlySet<number>): Promise<void> {
  for (const path of [dir, ...(await readdir(dir)).map((name) => join(dir, name))]) {
    const stat = await lstat(path);
    if (stat.isSymbolicLink()) throw bad(`${path} is a link`);
    if (!owners.has(stat.uid)) throw bad(`${path} belongs to uid ${stat.uid}, not to root`);
    if ((stat.mode & 0o022) !== 0) throw bad(`${path} can be written by others than its owner`);
  }
}

/**
 * Checks that a program or file that the supervisor starts or reads belongs to those it trusts, and that nobody else can
 * change it, a folder or a link that leads to it, or what these links name. Whom nobody trusts may own only what is
 * mounted read-only.
 *
 * @throws BootError `bad_install`, naming the path and what is wrong with it.
 */
export async function checkTrusted(path: string, owners: ReadonlySet<number>): Promise<void> {
  const checked = new Set<string>();
  const pending = [path];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (let current = next; !checked.has(current); current = dirname(current)) {
      checked.add(current);
      const stat = await lstat(current).catch((error: NodeJS.ErrnoException) => {
        throw bad(`${current} cannot be found (${error.code})`);
      });
      if (stat.isSymbolicLink()) {
        pending.push(resolve(await realpath(dirname(current)), await readlink(current)));
      }
      // In a sticky folder only an entry's owner can replace it, and the entry is checked. A link has no mode.
      const shared = stat.isSymbolicLink() || (stat.isDirectory() && (stat.mode & 0o1000) !== 0);
      const writable = !shared && ((stat.mode & 0o002) !== 0 || ((stat.mode & 0o020) !== 0 && !owners.has(stat.gid)));
      if (owners.has(stat.uid) && !writable) continue;
      if (!stat.isSymbolicLink() && (await isReadOnly(current))) continue;
      const why = writable ? "can be written by others than root" : `belongs to uid ${stat.uid}, not to root`;
      throw bad(`${current} ${why}, who could replace ${path}`);
    }
  }
}

/** Whether root itself could not write it. */
async function isReadOnly(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === "EROFS",
  );
}

/**
 * The users whose files the supervisor trusts: root and the supervisor's own. Inside a user namespace, root of the
 * outside is shown as the overflow user, whom no process in here can become.
 */
export async function trustedOwners(): Promise<ReadonlySet<number>> {
  const owners = new Set([0, process.geteuid?.() ?? 0]);
  const map = (await readFile("/proc/self/uid_map", "utf8")).trim().split(/\s+/).map(Number);
  const isInitial = map[0] === 0 && map[1] === 0 && map[2] === 4294967295;
  if (!isInitial) owners.add(Number(await readFile("/proc/sys/kernel/overflowuid", "utf8")));
  return owners;
}

/**
 * Finds programs on the PATH, as absolute paths.
 *
 * @throws BootError `bad_install` naming what is missing.
 */
export async function findProgram(name: string, path: string): Promise<string> {
  for (const folder of path.split(":").filter((entry) => entry.startsWith("/"))) {
    const candidate = join(folder, name);
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  throw bad(`${name} is not on the PATH of the image (${path})`);
}

async function readManifest(dir: string): Promise<Manifest> {
  const text = await readFile(join(dir, "manifest.json"), "utf8").catch((error: NodeJS.ErrnoException) => {
    throw bad(`${dir}/manifest.json cannot be read (${error.code})`);
  });
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch {
    throw bad(`${dir}/manifest.json is not a manifest of the runner`);
  }
}

function bad(message: string): BootError {
  return new BootError("bad_install", message);
}
