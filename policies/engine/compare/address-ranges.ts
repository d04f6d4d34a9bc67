/** Sets of IP addresses, as ranges of numbers. */
import { isIPv4 } from "node:net";

/** From the first address to the last one. IPv6 addresses come after all of IPv4's. */
export type Range = readonly [first: bigint, last: bigint];

const V4 = 1n << 32n;

/** The addresses of CIDR ranges (checked). */
export function rangesOf(cidrs: readonly string[]): Range[] {
  return cidrs.map((cidr) => {
    const [address = "", bits = ""] = cidr.split("/");
    const [number, width, base] = isIPv4(address) ? [v4(address), 32n, 0n] : [v6(address), 128n, V4];
    const size = 1n << (width - BigInt(bits));
    const first = (number / size) * size;
    return [base + first, base + first + size - 1n];
  });
}

/** What is in the one set and not in the other, in order. */
export function minus(from: readonly Range[], what: readonly Range[]): Range[] {
  let left = [...from];
  for (const [first, last] of what) {
    left = left.flatMap(([a, b]): Range[] =>
      last < a || first > b
        ? [[a, b]]
        : [...(a < first ? [[a, first - 1n] as const] : []), ...(b > last ? [[last + 1n, b] as const] : [])],
    );
  }
  return left.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** `10.0.0.0/8`, or `10.0.0.1-10.0.0.7` where it is no such block. */
export function rangeText([first, last]: Range): string {
  const isV4 = last < V4;
  const base = isV4 ? 0n : V4;
  const size = last - first + 1n;
  const bits = size.toString(2).length - 1;
  const text = (number: bigint) => (isV4 ? v4Text(number) : v6Text(number));
  if (size === 1n << BigInt(bits) && (first - base) % size === 0n) {
    return `${text(first - base)}/${(isV4 ? 32 : 128) - bits}`;
  }
  return `${text(first - base)}-${text(last - base)}`;
}

function v4(text: string): bigint {
  return text.split(".").reduce((number, byte) => number * 256n + BigInt(byte), 0n);
}

function v6(text: string): bigint {
  const [, v4Tail] = /:(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? [];
  const tail = v4Tail === undefined ? null : v4(v4Tail).toString(16).padStart(8, "0");
  const whole = tail === null ? text : text.replace(/\d+\.\d+\.\d+\.\d+$/, `${tail.slice(0, 4)}:${tail.slice(4)}`);
  const [head = "", rest] = whole.split("::");
  const groups = (part: string | undefined) => (part ? part.split(":") : []);
  const front = groups(head);
  const back = groups(rest);
  const filled = [...front, ...Array<string>(8 - front.length - back.length).fill("0"), ...back];
  return filled.reduce((number, group) => number * 65536n + BigInt(`0x${group}`), 0n);
}

function v4Text(number: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join(".");
}

function v6Text(number: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((number >> BigInt(112 - i * 16)) & 65535n).toString(16));
  return groups
    .join(":")
    .replace(/(?:^|:)0(?::0)+(?=:|$)/, ":")
    .replace(/^:$/, "::")
    .replace(/^:(?!:)/, "::")
    .replace(/:$/, "::");
}
