/** Says in one line each what a session's events and the cloud's logs mean to a person who watches. */
import type { Narrator } from "./narrator.ts";
import type { SessionEvent } from "./session.ts";

function text(content: readonly { type: string }[] | undefined): string {
  return (content ?? [])
    .map((block) => ("text" in block && typeof block.text === "string" ? block.text : `[${block.type}]`))
    .join(" ");
}

/** Follows a session: remembers when each call was made, to say how long its answer took. */
export function sessionNarrator(narrator: Narrator): (event: SessionEvent) => void {
  const calls = new Map<string, { name: string; at: number }>();
  return (event) => {
    if (event.type === "agent.message") narrator.event("claude", text(event.content));
    else if (event.type === "agent.custom_tool_use") {
      calls.set(event.id, { name: event.name, at: Date.parse(event.processed_at) });
      narrator.event("claude", `calls ${event.name} ${JSON.stringify(event.input)}`);
    } else if (event.type === "user.custom_tool_result") {
      const call = calls.get(event.custom_tool_use_id);
      const took = call && event.processed_at ? ` in ${Date.parse(event.processed_at) - call.at} ms` : "";
      const outcome = event.is_error ? "error" : "result";
      narrator.event("sandbox", `${call?.name ?? "?"} ${outcome}${took}: ${text(event.content)}`);
    } else if (event.type === "session.error") narrator.event("anthropic", `error: ${event.error.message}`);
  };
}

/** Says what the parts of the cloud did, as far as it tells the story; everything else stays in the log. */
export function narrateLog(narrator: Narrator, source: string, record: Record<string, unknown>): void {
  if (source === "function") {
    const line = functionLine(parseLine(record.line));
    if (line !== undefined) narrator.event("function", line);
  } else if (source === "firewall" && record.kind === "request" && record.host !== "api.anthropic.com") {
    const outcome = record.outcome === "answered" ? "refused by the policy" : record.outcome;
    const who = record.principal ?? "no ticket";
    narrator.event("firewall", `${who}: ${record.method} https://${record.host}${record.path} → ${outcome}`);
  } else if (source === "firewall" && record.kind === "name" && record.outcome !== "resolved") {
    narrator.event("firewall", `${record.host} does not resolve: ${record.why}`);
  } else if (source === "sandbox" && record.message === "session running") {
    narrator.event("sandbox", `${record.sandbox} boots from the snapshot, under its policy from the first packet`);
  } else if (source === "sandbox" && record.message === "session stopped") {
    narrator.event("sandbox", `${record.sandbox} is gone`);
  }
}

function parseLine(line: unknown): Record<string, unknown> {
  try {
    return JSON.parse(String(line)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function functionLine({ event, ...fields }: Record<string, unknown>): string | undefined {
  if (event === "session.started") return `claimed and acknowledged ${fields.session}; its runner starts`;
  if (event === "sandbox.removed") return `removed ${fields.sandbox}: ${fields.outcome}`;
  if (event === "webhook.refused") return "preflight: refused a webhook that somebody else signed, as it must";
  // What went wrong is worth a line, whatever it was.
  return fields.level === "warn" || fields.level === "error" ? `${event}: ${fields.reason ?? fields.error}` : undefined;
}
