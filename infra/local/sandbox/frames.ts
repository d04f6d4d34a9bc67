/**
 * How host and guest agent talk over their one descriptor: a frame is two 32-bit big-endian lengths, a JSON head and
 * raw bytes. Both ends use this file; the guest's end is bundled into one file.
 */
export interface Frame<Head> {
  head: Head;
  bytes: Buffer;
}

/** Host → guest. `id` names a process, chosen by the host. */
export type ToGuest =
  | { op: "boot"; hostname: string; files: { path: string; mode: number; text: string }[] }
  | {
      op: "spawn";
      id: number;
      cmd: string;
      args: string[];
      env: Record<string, string>;
      cwd: string;
      uid: number | null;
    }
  | { op: "stdin"; id: number }
  | { op: "stdinEnd"; id: number }
  | { op: "signal"; id: number; signal: number };

/** Guest → host. Bytes of `out` are what the process wrote. */
export type ToHost =
  | { event: "ready" }
  | { event: "booted" }
  | { event: "spawned"; id: number }
  /** `cwd` when the working directory is missing, `command` when there is no such program. */
  | { event: "failed"; id: number; missing: "cwd" | "command"; message: string }
  | { event: "out"; id: number; stream: "stdout" | "stderr" }
  | { event: "exit"; id: number; code: number };

const LENGTHS = 8;
/** Far above any honest frame: the agent sends what it read from a pipe, at most 64 KiB a piece. */
const LARGEST_FRAME = 64 * 1024 * 1024;

/** One frame as bytes. */
export function encodeFrame(head: ToGuest | ToHost, bytes: Buffer = Buffer.alloc(0)): Buffer {
  const json = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(LENGTHS);
  lengths.writeUInt32BE(json.length, 0);
  lengths.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([lengths, json, bytes]);
}

/**
 * Cuts a byte stream into frames.
 *
 * @throws RangeError when a frame is larger than any honest one: the peer is broken or hostile.
 */
export function createFrameReader<Head>(onFrame: (frame: Frame<Head>) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let size = 0;
  let needed = LENGTHS;
  return (chunk) => {
    chunks.push(chunk);
    size += chunk.length;
    while (size >= needed) {
      const all = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      const json = all.readUInt32BE(0);
      needed = LENGTHS + json + all.readUInt32BE(4);
      if (needed > LARGEST_FRAME) throw new RangeError(`frame of ${needed} bytes`);
      chunks = [all];
      if (size < needed) return;
      chunks = [all.subarray(needed)];
      size -= needed;
      onFrame({
        head: JSON.parse(all.toString("utf8", LENGTHS, LENGTHS + json)),
        bytes: all.subarray(LENGTHS + json, needed),
      });
      needed = LENGTHS;
    }
  };
}
