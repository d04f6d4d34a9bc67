/** Reads server-sent events in passing. */

/**
 * A stream that hands its bytes on and shows each event's JSON data.
 *
 * @param bufferBytes how far it reads ahead of whoever reads it: events are shown although nobody reads on.
 */
export function eventStream(
  onEvent: (value: unknown) => void,
  bufferBytes: number,
): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  let pending = "";
  const strategy = new ByteLengthQueuingStrategy({ highWaterMark: bufferBytes });
  return new TransformStream<Uint8Array, Uint8Array>(
    {
      transform(chunk, controller) {
        controller.enqueue(chunk);
        pending += decoder.decode(chunk, { stream: true });
        const frames = pending.split(/\r\n\r\n|\n\n|\r\r/);
        pending = frames.pop() ?? "";
        for (const frame of frames) show(frame, onEvent);
      },
    },
    strategy,
    strategy,
  );
}

function show(frame: string, onEvent: (value: unknown) => void): void {
  const data = frame
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).replace(/^ /, ""))
    .join("\n");
  if (data === "") return;
  try {
    onEvent(JSON.parse(data));
  } catch {
    // Not ours to complain about: the SDK reads the same bytes.
  }
}
