/** Divides all host names into classes that two sets of domain keys cannot tell apart, with an example of each. */

/** Host names that match the same keys. */
export interface HostClass {
  /** The name, or a pattern that holds for the class (and for more specific classes too). */
  readonly pattern: string;
  /** A name of the class, of labels that no key names. */
  readonly host: string;
  /** A key names this one host. */
  readonly exact: boolean;
  /** Keys that match, as written, the most specific first. */
  readonly keys: readonly string[];
}

/** A key whose meaning is not documented, so that nothing can be said of it. */
export interface UnreadableKey {
  readonly key: string;
  readonly reason: string;
}

/** A pattern: literal labels and holes of one label each, below any number (at least one) of labels if `deep`. */
interface Pattern {
  readonly deep: boolean;
  readonly labels: readonly (string | null)[];
}

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
/** A port, a dot at either end, or what is not ASCII: nobody says whether such a key holds for a host. */
const UNCLEAR = /^[^/]+:\d+$|^\.|\.$|[^\0-\x7f]/;
const FILLING = ["www", "files", "shop", "status", "elsewhere", "another"];
const MOST_PATTERNS = 20_000;

/**
 * Classes of host names under some keys, and the keys that could not be read.
 *
 * @param keys domain keys of both policies (contracts/vercel-firewall.md §1.5).
 * @param named further host names that must stand for themselves.
 */
export function hostClasses(
  keys: readonly string[],
  named: readonly string[] = [],
): { classes: HostClass[]; unreadable: UnreadableKey[] } {
  const unreadable: UnreadableKey[] = [];
  const patterns = new Map<string, Pattern>();
  const exact = new Map<string, string[]>();
  for (const key of new Set(keys)) {
    const name = key.toLowerCase();
    const labels = name.split(".");
    if (UNCLEAR.test(name)) {
      unreadable.push({
        key,
        reason: `what a key with a port, a dot at an end or letters beyond ASCII means (${key}) is not documented`,
      });
    } else if (!name.includes("*")) exact.set(name, [...(exact.get(name) ?? []), key]);
    else if (labels.every((label) => label === "*" || LABEL.test(label))) patterns.set(key, patternOf(name));
    else if (labels.some((label) => label !== "*" && label.includes("*"))) {
      unreadable.push({ key, reason: `what a wildcard within a label means (${key}) is not documented` });
    }
  }
  const index = new PatternIndex(patterns);
  const closed = closure([...patterns.values()]);
  if (closed === null) {
    const reason = "the wildcards of the two policies overlap in too many ways";
    return { classes: [], unreadable: [...unreadable, ...[...patterns.keys()].map((key) => ({ key, reason }))] };
  }

  const taken = new Set([...closed.flatMap(({ labels }) => labels), ...[...exact.keys()].flatMap((n) => n.split("."))]);
  const spare = Array.from({ length: taken.size + 2 }, (_, i) => `x${i}`);
  const filling = [...FILLING, ...spare].filter((label) => !taken.has(label));

  const classes: HostClass[] = [];
  for (const name of new Set([...exact.keys(), ...named.map((name) => name.toLowerCase())])) {
    if (!canBeAsked(name)) continue;
    const own = exact.get(name) ?? [];
    const below = index.matching({ deep: false, labels: name.split(".") });
    if (own.length + below.length === 0) continue;
    classes.push({ pattern: name, host: name, exact: own.length > 0, keys: [...own, ...below] });
  }
  for (const pattern of closed) {
    const keys = index.matching(pattern);
    const isExample = (host: readonly string[]) => index.matching({ deep: false, labels: host }).length === keys.length;
    const host = exampleOf(pattern, filling, isExample);
    if (host === null)
      unreadable.push({ key: textOf(pattern), reason: "no host was found that the wildcards tell apart" });
    else classes.push({ pattern: textOf(pattern), host, exact: false, keys });
  }
  return { classes, unreadable };
}

/** The host names of a class's pattern, as a regular expression. */
export function patternRegex(pattern: string): string {
  const label = "[a-z0-9_-]+";
  const labels = pattern.split(".").map((text, i) => {
    // A key may hold anything; what no host name has is a character like any other.
    if (text !== "*") return text.replaceAll(/[^a-z0-9_-]/g, (sign) => `\\x{${sign.codePointAt(0)?.toString(16)}}`);
    return i === 0 ? `${label}(?:[.]${label})*` : label;
  });
  return `^${labels.join("[.]")}$`;
}

/** Whether a TLS server name can be this. */
function canBeAsked(name: string): boolean {
  return name.length <= 253 && name.split(".").every((label) => LABEL.test(label)) && !/^[\d.]+$/.test(name);
}

function patternOf(name: string): Pattern {
  const labels = name.split(".").map((label) => (label === "*" ? null : label));
  // A first wildcard is any number of labels, also alone.
  return labels[0] === null ? { deep: true, labels: labels.slice(1) } : { deep: false, labels };
}

function textOf({ deep, labels }: Pattern): string {
  return [...(deep ? ["*"] : []), ...labels.map((label) => label ?? "*")].join(".");
}

function literals({ labels }: Pattern): number {
  return labels.filter((label) => label !== null).length;
}

/** Finds the keys that hold for all of a pattern, without trying every key where that is not needed. */
class PatternIndex {
  /** Of leading wildcards without holes: by what follows the wildcard. */
  readonly #below = new Map<string, { key: string; pattern: Pattern }[]>();
  readonly #others: { key: string; pattern: Pattern }[] = [];

  constructor(patterns: ReadonlyMap<string, Pattern>) {
    for (const [key, pattern] of patterns) {
      const entry = { key, pattern };
      if (!isSimple(pattern)) this.#others.push(entry);
      else this.#below.set(pattern.labels.join("."), [...(this.#below.get(pattern.labels.join(".")) ?? []), entry]);
    }
  }

  /** Keys that match every host of the pattern (a host itself is a pattern of its own), the most specific first. */
  matching(pattern: Pattern): string[] {
    const found = this.#others.filter((other) => covers(other.pattern, pattern));
    for (let i = pattern.deep ? 0 : 1; i <= pattern.labels.length; i++) {
      // A hole is no label of a key.
      found.push(
        ...(this.#below.get(
          pattern.labels
            .slice(i)
            .map((label) => label ?? "*")
            .join("."),
        ) ?? []),
      );
    }
    return found.sort((a, b) => literals(b.pattern) - literals(a.pattern)).map(({ key }) => key);
  }
}

function isSimple({ deep, labels }: Pattern): boolean {
  return deep && !labels.includes(null);
}

/** Every pattern, and whatever several of them have in common; null when that is too much. */
function closure(patterns: readonly Pattern[]): Pattern[] | null {
  const found = new Map(patterns.map((pattern) => [textOf(pattern), pattern]));
  const queue = [...found.values()];
  const others = patterns.filter((pattern) => !isSimple(pattern));
  for (let pattern = queue.pop(); pattern !== undefined; pattern = queue.pop()) {
    // Of two leading wildcards without holes one lies within the other, or they have nothing in common.
    for (const other of isSimple(pattern) ? others : patterns) {
      const common = intersect(pattern, other);
      if (common === null || found.has(textOf(common))) continue;
      if (found.size >= MOST_PATTERNS) return null;
      found.set(textOf(common), common);
      queue.push(common);
    }
  }
  return [...found.values()];
}

function intersect(a: Pattern, b: Pattern): Pattern | null {
  const [short, long] = a.labels.length <= b.labels.length ? [a, b] : [b, a];
  const free = long.labels.length - short.labels.length;
  if (!short.deep && (long.deep || free > 0)) return null;
  if (short.deep && !long.deep && free === 0) return null;
  const labels: (string | null)[] = long.labels.slice(0, free);
  for (const [i, label] of short.labels.entries()) {
    const other = long.labels[free + i] ?? null;
    if (label !== null && other !== null && label !== other) return null;
    labels.push(label ?? other);
  }
  return { deep: long.deep && short.deep, labels };
}

/** Whether every host of `part` is one of `whole`. */
function covers(whole: Pattern, part: Pattern): boolean {
  const common = intersect(whole, part);
  return common !== null && textOf(common) === textOf(part);
}

/** A host of the pattern that meets a condition. */
function exampleOf(
  { deep, labels }: Pattern,
  filling: readonly string[],
  isExample: (host: readonly string[]) => boolean,
): string | null {
  const tops = [["elsewhere", "example"], filling.slice(0, 2), filling.slice(0, 1)];
  const firsts = deep ? (labels.length === 0 ? tops : [filling.slice(0, 1), filling.slice(0, 2)]) : [[]];
  for (const first of firsts) {
    const host = [...first, ...labels.map((label, i) => label ?? filling[i % filling.length] ?? "x")];
    if (isExample(host)) return host.join(".");
  }
  return null;
}
