/** The stand-in for the model: it plays a script that was put for the agent, or echoes. A real one: model-brain.ts. */
import { z } from "zod";
import type { AgentSnapshot } from "./agent-definition.ts";
import { findTool } from "./agent-definition.ts";
import { badRequest } from "./errors.ts";

const turnSchema = z
  .strictObject({
    say: z.string().min(1).optional(),
    call: z
      .array(z.strictObject({ name: z.string(), input: z.record(z.string(), z.unknown()).default({}) }))
      .min(1)
      .optional(),
  })
  .refine((turn) => turn.say !== undefined || turn.call !== undefined, "a turn needs `say`, `call` or both");

export const scriptSchema = z.strictObject({ turns: z.array(turnSchema) });

/** One answer of the brain: what it says, then the tools that it calls together. */
export type Turn = z.infer<typeof turnSchema>;

/** How far a session has played the script of its agent. */
export interface Playback {
  script: readonly Turn[];
  next: number;
  /** Turns played since the last message. */
  played: number;
}

export class Brain {
  readonly #scripts = new Map<string, readonly Turn[]>();

  /**
   * Sets what sessions of `agent` play from their next message on.
   *
   * @throws ApiError 400 when a turn calls a tool that the agent's current version does not define.
   */
  setScript(agent: AgentSnapshot, turns: readonly Turn[]): void {
    turns.forEach((turn, i) => {
      turn.call?.forEach(({ name }, j) => {
        if (findTool(agent.tools, name)) return;
        throw badRequest(
          `turns.${i}.call.${j}.name: agent ${agent.id} (version ${agent.version}) has no tool "${name}" that a worker serves`,
        );
      });
    });
    this.#scripts.set(agent.id, turns);
  }

  hasScript(agentId: string): boolean {
    return this.#scripts.has(agentId);
  }

  /**
   * A message arrived. The script goes on with the first turn that this session has not played; a script that was put
   * since then is played from its start.
   */
  begin(agentId: string, playback: Playback | null): Playback {
    const script = this.#scripts.get(agentId) ?? [];
    if (playback?.script === script) return { ...playback, played: 0 };
    return { script, next: 0, played: 0 };
  }

  /** The next turn, or null when the brain has nothing more to do and the session goes idle. */
  next(playback: Playback, message: string): Turn | null {
    const turn = playback.script[playback.next];
    if (turn) {
      playback.next += 1;
      playback.played += 1;
      return turn;
    }
    if (playback.played > 0) return null;
    playback.played += 1;
    return { say: playback.script.length > 0 ? "Done: the script has no further turns." : `You said: ${message}` };
  }
}
