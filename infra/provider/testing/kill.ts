/** Kills a process of an `up` or a `destroy` at an exact point: a server has done what it was asked, and nobody has heard of it yet. */
import { readdirSync, readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { type PulumiOptions, startPulumi } from "../../engine/pulumi.ts";

/** A request that a server has carried out. */
export interface Moment {
  readonly server: "anthropic" | "sandbox" | "vercel";
  readonly method: string;
  /** Of the path without the query. */
  readonly path: RegExp;
}

export type Victim = "engine" | "language host" | "handrail provider" | "vercel provider";

/** Parts of the command lines of the engine's plugins; our own and, where there is one, the downloaded program. */
const COMMANDS: Record<Exclude<Victim, "engine">, RegExp> = {
  "language host": /pulumi-language-nodejs|language-nodejs\/main\.ts/,
  "handrail provider": /provider\/bin\/\.\.\/main\.ts/,
  "vercel provider": /pulumi-resource-vercel|vercel-provider\/main\.ts/,
};

/** Waits for one moment at a time. Servers and proxies tell it, before they answer, what they have done. */
export class Trap {
  #moment: Moment | undefined;
  #spring: (() => void) | undefined;

  set(moment: Moment, spring: () => void): void {
    this.#moment = moment;
    this.#spring = spring;
  }

  done(server: Moment["server"], method: string, path: string, status: number): void {
    const moment = this.#moment;
    if (moment?.server !== server || moment.method !== method || !moment.path.test(path) || status >= 300) return;
    this.#moment = undefined;
    this.#spring?.();
  }

  /** Whether the moment has come. */
  get sprung(): boolean {
    return this.#moment === undefined;
  }
}

/** Stands before a server and tells the trap about each answer before it passes it on. */
export async function trapProxy(
  server: Moment["server"],
  target: string,
  trap: Trap,
): Promise<{ url: string; close(): void }> {
  const proxy = createServer((incoming, outgoing) => {
    const { method = "", url = "", headers } = incoming;
    const upstream = request(target + url, { method, headers }, (answer) => {
      trap.done(server, method, new URL(url, target).pathname, answer.statusCode ?? 0);
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    close: () => {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}

/** Runs `up` or `destroy`, and kills the victim by SIGKILL when the moment comes. @returns what the engine said. */
export async function killedAt(
  command: "up" | "destroy",
  trap: Trap,
  victim: Victim,
  moment: Moment,
  options: PulumiOptions,
): Promise<{ output: string; code: number | null }> {
  const engine = startPulumi(["--non-interactive", "--color", "never", command, "--yes", "--skip-preview"], options);
  const pid = engine.pid as number;
  trap.set(moment, () => {
    const victims = victim === "engine" ? [pid] : descendants(pid).filter((one) => COMMANDS[victim].test(one.command));
    for (const one of victims) process.kill(typeof one === "number" ? one : one.pid, "SIGKILL");
  });
  let output = "";
  for (const stream of [engine.stdout, engine.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  const code = await new Promise<number | null>((resolve) => engine.on("close", resolve));
  return { output, code };
}

function descendants(ancestor: number): { pid: number; command: string }[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = read(`/proc/${pid}/stat`);
    parents.set(pid, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (parents.get(pid) === ancestor || isBelow(parents.get(pid)));
  return [...parents.keys()]
    .filter(isBelow)
    .map((pid) => ({ pid, command: read(`/proc/${pid}/cmdline`).replaceAll("\0", " ") }));
}

/** Empty for a process that is gone meanwhile. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
