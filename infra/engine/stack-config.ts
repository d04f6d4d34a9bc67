import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectName } from "./stack-state.ts";

/** Commands that take `--config-file` (`pulumi <command> --help` of 3.259.0). */
const TAKES_CONFIG_FILE = new Set([
  "up",
  "update",
  "preview",
  "pre",
  "refresh",
  "destroy",
  "down",
  "import",
  "watch",
  "config",
  "logs",
]);

/** Commands that write or remove the stack's configuration file but cannot be told where it lies. */
const WRITES_BESIDE_PROJECT = new Set(["init", "rm", "remove", "rename", "change-secrets-provider"]);

/**
 * Arguments that keep a local stack's configuration out of the checkout: `Pulumi.<stack>.yaml` of local stacks lies in
 * `.handrail/local`, since `stack init` and `config set` rewrite it (salt, encrypted values), and a committed file of
 * the same name must not change because somebody tried something.
 *
 * Commands that have the option get `--config-file`. The others that write the file run in `.handrail/local`, which
 * gets a copy of the project's name: the file backend knows stacks by project and name, not by folder.
 *
 * @param args the engine's arguments, unchanged in the result but for the additions.
 * @param o `stack`: the one that the environment names, for a command line that names none; `localDir`: where the
 * configuration goes; `cwd`: folder of Pulumi.yaml.
 */
export function withLocalStackConfig(
  args: readonly string[],
  o: { stack: string; localDir: string; cwd: string },
): string[] {
  const [command, subcommand] = words(args);
  if (command === undefined || args.some((arg) => /^(--config-file|--cwd|-C|--help|-h)(=|$)/.test(arg)))
    return [...args];
  if (TAKES_CONFIG_FILE.has(command)) {
    const end = args.indexOf("--");
    const option = ["--config-file", join(o.localDir, `Pulumi.${stackName(args) ?? o.stack}.yaml`)];
    return end < 0 ? [...args, ...option] : [...args.slice(0, end), ...option, ...args.slice(end)];
  }
  if (command === "stack" && WRITES_BESIDE_PROJECT.has(subcommand ?? "")) {
    writeProject(o.cwd, o.localDir);
    return ["--cwd", o.localDir, ...args];
  }
  return [...args];
}

/** The stack that the command line names, without the organisation and project that may precede it. */
export function stackName(args: readonly string[]): string | undefined {
  for (const [index, arg] of args.entries()) {
    if (arg === "--") return undefined;
    const value = /^(?:--stack|-s)=(.*)$/.exec(arg)?.[1] ?? (/^(--stack|-s)$/.test(arg) ? args[index + 1] : undefined);
    if (value) return value.split("/").at(-1);
  }
  return undefined;
}

/** The first two words that are not options; good enough for commands, which come first. */
function words(args: readonly string[]): string[] {
  return args.filter(
    (arg, index) => !arg.startsWith("-") && !/^(-s|--stack|-C|--cwd|--color)$/.test(args[index - 1] ?? ""),
  );
}

function writeProject(cwd: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "Pulumi.yaml"), `name: ${projectName(cwd)}\nruntime: nodejs\n`);
}
