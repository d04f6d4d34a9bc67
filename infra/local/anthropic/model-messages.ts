/** What a session has recorded, as the Messages API takes it. */
import type { Anthropic } from "@anthropic-ai/sdk";
import type { SessionEvent } from "./event-log.ts";

type MessageParam = Anthropic.MessageParam;
type Block = Anthropic.ContentBlockParam;

export interface ModelConversation {
  /** Texts of `system.message` events, to follow the agent's own system prompt. */
  system: string[];
  /** Alternating, the first one the user's; every call is followed by its result. */
  messages: MessageParam[];
}

const INTERRUPTED = "The call was interrupted before it had a result.";

/** @param events processed events, oldest first. */
export function modelConversation(events: readonly SessionEvent[]): ModelConversation {
  const system: string[] = [];
  const messages: MessageParam[] = [];
  const open = new Set<string>();
  const say = (role: "user" | "assistant", ...blocks: Block[]) => {
    const last = messages.at(-1);
    if (last?.role === role) (last.content as Block[]).push(...blocks);
    else messages.push({ role, content: blocks });
  };
  const answer = (id: string, content: unknown, isError: boolean) => {
    if (!open.delete(id)) return;
    const blocks = (content ?? []) as Anthropic.TextBlockParam[];
    say("user", {
      type: "tool_result",
      tool_use_id: id,
      is_error: isError,
      ...(blocks.length > 0 && { content: blocks }),
    });
  };
  /** Results come first in the message that follows calls. */
  const closeCalls = () => {
    for (const id of open) answer(id, [{ type: "text", text: INTERRUPTED }], true);
  };
  for (const event of events) {
    switch (event.type) {
      case "system.message":
        system.push(textOf(event.content));
        break;
      case "user.message":
        closeCalls();
        say("user", ...(event.content as Block[]));
        break;
      case "user.define_outcome":
        closeCalls();
        say("user", { type: "text", text: `Reach this outcome: ${event.description}` });
        break;
      case "agent.message":
        say("assistant", ...(event.content as Block[]));
        break;
      case "agent.custom_tool_use":
      case "agent.tool_use":
        open.add(event.id);
        say("assistant", { type: "tool_use", id: event.id, name: String(event.name), input: event.input });
        break;
      case "user.custom_tool_result":
        answer(String(event.custom_tool_use_id), event.content, event.is_error === true);
        break;
      case "user.tool_result":
      case "agent.tool_result":
        answer(String(event.tool_use_id), event.content, event.is_error === true);
        break;
    }
  }
  return { system, messages };
}

function textOf(content: unknown): string {
  return (content as { text: string }[]).map(({ text }) => text).join("\n");
}
