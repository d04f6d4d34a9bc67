/** Server-sent events as the API frames them: every frame has an `event:` line, pings keep the line alive. */
import type { StreamFrame } from "./event-log.ts";

export interface EventSource {
  /** Called when the connection is open. @returns a function that ends the subscription. */
  subscribe(stream: { send(frame: StreamFrame): void; end(): void }): () => void;
  pingMs: number;
}

const frameText = (frame: StreamFrame) => `event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`;

/** The streaming response. The subscription starts before the head is sent, so no event falls in between. */
export function eventStream(source: EventSource): Response {
  const encoder = new TextEncoder();
  let stop = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const write = (text: string) => controller.enqueue(encoder.encode(text));
      const ping = () => write(frameText({ type: "ping" }));
      const timer = setInterval(ping, source.pingMs);
      const unsubscribe = source.subscribe({
        send: (frame) => write(frameText(frame)),
        end: () => {
          stop();
          controller.close();
        },
      });
      stop = () => {
        clearInterval(timer);
        unsubscribe();
      };
      ping();
    },
    cancel: () => stop(),
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
  });
}
