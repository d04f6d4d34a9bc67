/** Who else could do what a tool does: computed from where tools run, not from what they are meant for. */
import type { Lock } from "../engine/lock.ts";

/** Who could use a tool's reach, each a sentence without its full stop. Names are quoted by `quote`. */
export function whoElse(lock: Lock, tool: string, quote: (name: string) => string): string[] {
  const names = Object.keys(lock.tools);
  const others = (kind: "api" | "file" | "command") =>
    names.filter((name) => name !== tool && lock.tools[name]?.kind === kind);
  const list = (all: readonly string[]) => all.map(quote).join(", ");
  const self = lock.tools[tool];
  const online = (name: string) => lock.tools[name]?.network === "sandbox";

  // API tools run in the supervisor: tickets keep commands out, but not one piece of that process from another.
  if (self?.kind === "api") {
    const apis = others("api");
    return [
      `the supervisor${apis.length > 0 ? ` and ${list(apis)}` : ""}: one process, which holds every ticket`,
      "no command and no file tool: they run as another user and hold no ticket",
    ];
  }

  const commands = others("command");
  const files = others("file");
  if (self?.kind === "file") {
    return [
      ...(commands.length > 0 ? [`${list(commands)}: commands have every file that file tools have`] : []),
      ...(files.length > 0 ? [`${list(files)}: the same workspace`] : []),
    ];
  }

  const connected = commands.filter(online);
  const isolated = commands.filter((name) => !online(name));
  if (self?.network === "none") {
    return [
      ...(connected.length > 0
        ? [
            `${list(connected)}: can run the same program, and with a network; also what this tool left in the workspace`,
          ]
        : []),
      ...(isolated.length > 0 ? [`${list(isolated)}: the same user, files and empty network`] : []),
      ...(commands.length === 0 ? ["nobody"] : []),
    ];
  }
  return [
    ...(connected.length > 0 ? [`${list(connected)}: the same user, files and network`] : []),
    ...(isolated.length > 0
      ? [`not ${list(isolated)}, except by leaving a program that this tool is made to run`]
      : []),
    ...(commands.length === 0 ? ["nobody else has a command in the sandbox"] : []),
  ];
}
