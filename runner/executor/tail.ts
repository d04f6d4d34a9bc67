/** The end of an output that may be endless. */
export class Tail {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #kept = 0;
  #omitted = 0;

  /** @param limit how many bytes to keep. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds output; what is then too much is dropped from the beginning. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#kept += chunk.length;
    while (this.#kept - (this.#chunks[0]?.length ?? 0) >= this.#limit) this.#drop(this.#chunks.shift()?.length ?? 0);
  }

  /** Bytes that were dropped. Exact once {@link Tail.text} was called. */
  get omittedBytes(): number {
    return this.#omitted;
  }

  /** The kept end as text, beginning at a whole character. */
  text(): string {
    let bytes = Buffer.concat(this.#chunks);
    if (bytes.length > this.#limit || this.#omitted > 0) {
      let start = Math.max(0, bytes.length - this.#limit);
      // Continuation bytes of a character that was cut.
      while (start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
      bytes = bytes.subarray(start);
      this.#drop(start);
      this.#chunks = [bytes];
    }
    return bytes.toString("utf8");
  }

  #drop(bytes: number): void {
    this.#kept -= bytes;
    this.#omitted += bytes;
  }
}
