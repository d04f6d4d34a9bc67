/** What the demo prints for people: numbered steps with their time, the events of a session, and the proof table. */
import pc from "picocolors";
import type { ProofRow } from "./proof.ts";

export interface Output {
  write(text: string): unknown;
}

const ACTOR_WIDTH = 11;
const colours: Record<string, (text: string) => string> = {
  claude: pc.magenta,
  anthropic: pc.magenta,
  function: pc.blue,
  sandbox: pc.cyan,
  supervisor: pc.cyan,
  executor: pc.green,
  firewall: pc.yellow,
};

/** `1.2 s` below a minute, `2 min 05 s` above. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

function clip(text: string, width: number): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}

export class Narrator {
  readonly #out: Output;
  readonly #now: () => number;
  readonly #start: number;
  #steps = 0;

  constructor(out: Output, now: () => number = Date.now) {
    this.#out = out;
    this.#now = now;
    this.#start = now();
  }

  /** Announces a step before it runs and says afterwards how long it took and what came of it. */
  async step<T>(title: string, work: () => Promise<T>, result?: (value: T) => string): Promise<T> {
    this.#steps += 1;
    this.#out.write(`\n${pc.bold(`${this.#steps}. ${title}`)}\n`);
    const start = this.#now();
    const value = await work();
    this.note(`${pc.green("done")} in ${duration(this.#now() - start)}${result ? `: ${result(value)}` : ""}`);
    return value;
  }

  note(text: string): void {
    this.#out.write(`   ${text}\n`);
  }

  /** One thing that happened, with the seconds since the demo began and who did it. */
  event(actor: string, text: string): void {
    const at = ((this.#now() - this.#start) / 1000).toFixed(1).padStart(6);
    const paint = colours[actor] ?? ((plain: string) => plain);
    this.#out.write(`${pc.dim(`${at} s`)}  ${paint(actor.padEnd(ACTOR_WIDTH))} ${clip(text, 130)}\n`);
  }

  table(rows: ProofRow[]): void {
    this.#out.write(`\n${pc.bold("Proof, measured in this run")}\n`);
    for (const row of rows) {
      this.#out.write(
        ` ${row.held ? pc.green("✓") : pc.red("✗")} ${row.claim}\n     ${pc.dim(clip(row.measured, 160))}\n`,
      );
    }
    const failed = rows.filter((row) => !row.held).length;
    this.#out.write(
      `\n${failed === 0 ? pc.green(`${rows.length} of ${rows.length} hold`) : pc.red(`${failed} of ${rows.length} do not hold`)}, after ${duration(this.#now() - this.#start)}\n`,
    );
  }
}
