/**
 * Runs inside the sandbox as the executor (through `execute_command`) and searches everything that it can look at for
 * the secrets of this run: the environment and command line of every process, every readable file, and what the
 * loopback listeners answer. Secrets arrive masked (each byte XOR 0x5a, base64), so that neither the command line
 * nor the transcript holds one. Prints one line: `PROBE ` and JSON.
 *
 *     node search.mjs <JSON {masked: {name: base64}, since: epoch ms, root?: folder instead of all}>
 */
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

const { masked, since, root = "/" } = JSON.parse(process.argv[2] ?? "{}");
const secrets = Object.entries(masked).map(([name, text]) => ({
  name,
  bytes: Buffer.from(Buffer.from(text, "base64").map((byte) => byte ^ 0x5a)),
}));
const found = [];
const looked = { processes: 0, files: 0, bytes: 0, unreadable: 0, listeners: 0, readOnlyUnchanged: 0 };

function search(place, bytes) {
  for (const secret of secrets) if (bytes.includes(secret.bytes)) found.push({ secret: secret.name, place });
}

function searchFile(path) {
  let file;
  try {
    file = openSync(path, "r");
  } catch {
    looked.unreadable += 1;
    return;
  }
  try {
    // Blocks overlap by the longest secret, so that none hides on a border.
    const block = Buffer.alloc(1 << 20);
    let keep = 0;
    for (;;) {
      const got = readSync(file, block, keep, block.length - keep, null);
      if (got === 0) break;
      looked.bytes += got;
      const filled = keep + got;
      search(path, block.subarray(0, filled));
      keep = Math.min(512, filled);
      block.copyWithin(0, filled - keep, filled);
    }
    looked.files += 1;
  } catch {
    looked.unreadable += 1;
  } finally {
    closeSync(file);
  }
}

const mounts = readFileSync("/proc/self/mounts", "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => line.split(" "))
  .map(([, at, , options]) => ({ at, readOnly: options.split(",").includes("ro") }));

function readOnly(path) {
  let best = { at: "", readOnly: false };
  for (const mount of mounts) {
    const below = path === mount.at || path.startsWith(mount.at === "/" ? "/" : `${mount.at}/`);
    if (below && mount.at.length >= best.at.length) best = mount;
  }
  return best.readOnly;
}

function walk(folder, fixed) {
  let names;
  try {
    names = readdirSync(folder);
  } catch {
    looked.unreadable += 1;
    return;
  }
  for (const name of names) {
    const path = join(folder, name);
    if (path === "/proc" || path === "/sys" || path === "/dev") continue;
    let stat;
    try {
      stat = lstatSync(path);
    } catch {
      continue;
    }
    // What lies on a read-only mount and is older than the run cannot hold a secret that the run made.
    if (stat.isDirectory()) walk(path, mounts.some((m) => m.at === path) ? readOnly(path) : fixed);
    else if (!stat.isFile()) continue;
    else if (fixed && Math.max(stat.mtimeMs, stat.ctimeMs) < since) looked.readOnlyUnchanged += 1;
    else searchFile(path);
  }
}

for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
  looked.processes += 1;
  for (const part of ["environ", "cmdline"]) {
    try {
      search(`/proc/${pid}/${part}`, readFileSync(`/proc/${pid}/${part}`));
    } catch {
      looked.unreadable += 1;
    }
  }
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`))
      search(`/proc/${pid}/fd/${fd}`, Buffer.from(readlinkSync(`/proc/${pid}/fd/${fd}`)));
  } catch {
    looked.unreadable += 1;
  }
}
walk(root, readOnly(root));

function ask(host, port) {
  return new Promise((resolve) => {
    const answer = [];
    const socket = connect({ host, port });
    socket.setTimeout(2000, () => socket.destroy());
    socket.on("connect", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
    socket.on("data", (chunk) => answer.push(chunk));
    socket.on("error", () => {});
    socket.on("close", () => resolve(Buffer.concat(answer)));
  });
}

const ports = new Set();
for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
  let text = "";
  try {
    text = readFileSync(table, "utf8");
  } catch {}
  for (const line of text.split("\n").slice(1)) {
    const [, local, , state] = line.trim().split(/\s+/);
    if (state === "0A") ports.add(Number.parseInt(local.split(":")[1], 16));
  }
}
for (const port of ports) {
  looked.listeners += 1;
  search(`listener ${port}`, await ask("127.0.0.1", port));
}

console.log(`PROBE ${JSON.stringify({ found, looked })}`);
