import { readFileSync } from "node:fs";
import { onPath, run } from "./processes.mjs";
import { withHeartbeat } from "./report.mjs";
import { SetupError } from "./setup.mjs";
import { digest } from "./stamp.mjs";

/** Program → package that has it, the same name in every distribution here. */
const TOOLS = { bwrap: "bubblewrap", unshare: "util-linux", setpriv: "util-linux", nsenter: "util-linux" };

/** Where a package manager is, which command installs with it. First match wins. */
const MANAGERS = /** @type {const} */ ([
  ["apt-get", "apt-get install -y --no-install-recommends"],
  ["dnf", "dnf install -y"],
  ["yum", "yum install -y"],
  ["pacman", "pacman -S --noconfirm"],
  ["zypper", "zypper install -y"],
  ["apk", "apk add"],
]);

/** Folders of system tools that an ordinary user's PATH may leave out. */
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * What the local cloud's sandbox is made of: bubblewrap and the namespace tools of util-linux. Installed when we are
 * root and there is apt; otherwise the command is named.
 *
 * @param {object} [options]
 * @param {Record<string, string | undefined>} [options.env]
 * @param {string} [options.path] where programs are looked for.
 * @param {NodeJS.Platform} [options.platform]
 * @param {number} [options.uid]
 * @returns {import("./setup.mjs").Step}
 */
export function sandboxTools({
  env = process.env,
  path = `${env.PATH ?? ""}:${SYSTEM_PATH}`,
  platform = process.platform,
  uid = process.getuid?.(),
} = {}) {
  const find = (/** @type {string} */ name) => onPath(name, path)[0];
  return {
    name: "sandbox",
    key: () => digest(platform, ...Object.keys(TOOLS).map((name) => find(name) ?? "")),
    async ensure(report, keepFor) {
      if (platform !== "linux") {
        throw new SetupError(
          "The local cloud's sandbox is made of Linux namespaces, which this system does not have. Work in a Linux machine or container:",
          'docker run --rm -it --privileged -v "$PWD":/handrail -w /handrail node:24 bash',
        );
      }
      const missing = missingPackages(find);
      if (missing.length > 0) await install(report, missing, { find, env, uid, keepFor });
      const left = missingPackages(find);
      if (left.length > 0) throw new SetupError(`${left.join(" and ")} is missing`, installCommand(left, find, uid));

      const bwrap = /** @type {string} */ (find("bwrap"));
      const { output } = await run(bwrap, ["--version"]);
      await tryNamespaces(report, bwrap);
      return { text: output, witnesses: Object.keys(TOOLS).map((name) => /** @type {string} */ (find(name))) };
    },
  };
}

/** @param {(name: string) => string | undefined} find */
function missingPackages(find) {
  return [...new Set(Object.entries(TOOLS).flatMap(([name, owner]) => (find(name) ? [] : [owner])))];
}

/**
 * @param {readonly string[]} packages
 * @param {(name: string) => string | undefined} find
 * @param {number | undefined} uid
 */
function installCommand(packages, find, uid) {
  const [, command] = MANAGERS.find(([name]) => find(name)) ?? [
    undefined,
    "apt-get install -y --no-install-recommends",
  ];
  return `${uid === 0 ? "" : "sudo "}${command} ${packages.join(" ")}`;
}

/**
 * @param {import("./report.mjs").Report} report
 * @param {readonly string[]} packages
 * @param {{ find: (name: string) => string | undefined, env: Record<string, string | undefined>, uid: number | undefined, keepFor: (pid: number) => void }} o
 */
async function install(report, packages, { find, env, uid, keepFor }) {
  const apt = find("apt-get");
  const command = installCommand(packages, find, uid);
  if (uid !== 0 || !apt) throw new SetupError(`${packages.join(" and ")} is missing`, command);
  report.begin("sandbox", `installing ${packages.join(" and ")} with apt-get, the first time about half a minute`);
  const aptEnv = { ...env, DEBIAN_FRONTEND: "noninteractive" };
  const attempt = () =>
    run(apt, ["install", "-y", "--no-install-recommends", ...packages], { env: aptEnv, onStart: keepFor });
  const result = await withHeartbeat(
    report,
    () => "apt-get is at work",
    async () => {
      // A fresh image has no package lists; one with old lists asks for versions that are gone.
      const first = await attempt();
      if (first.code === 0) return first;
      await run(apt, ["update"], { env: aptEnv, onStart: keepFor });
      return attempt();
    },
  );
  if (result.code !== 0) {
    throw new SetupError(
      `apt-get could not install ${packages.join(" and ")}:\n${result.output.split("\n").slice(-5).join("\n")}`,
      `apt-get update && ${command}`,
    );
  }
}

/**
 * Says in time what would otherwise come up as a sandbox that does not start.
 *
 * @param {import("./report.mjs").Report} report
 * @param {string} bwrap
 */
async function tryNamespaces(report, bwrap) {
  const { code, output } = await run(bwrap, ["--unshare-net", "--unshare-pid", "--ro-bind", "/", "/", "true"]);
  if (code === 0) return;
  const knob = "kernel.apparmor_restrict_unprivileged_userns";
  if (isRestricted(`/proc/sys/${knob.replaceAll(".", "/")}`)) {
    throw new SetupError(`bubblewrap may not make namespaces here: ${output}`, `sudo sysctl -w ${knob}=0`);
  }
  report.note("sandbox", `bubblewrap cannot make namespaces here, so no local sandbox will start: ${output}`);
}

/** @param {string} file */
function isRestricted(file) {
  try {
    return readFileSync(file, "utf8").trim() === "1";
  } catch {
    return false;
  }
}
