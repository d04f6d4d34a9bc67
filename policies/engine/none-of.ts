/**
 * A regular expression that matches every string except the given ones. RE2 knows no lookahead, so the complement is
 * spelled out along the tree of their prefixes: a string differs when it ends early, or goes on with another character.
 *
 * @example
 * noneOf(["a"]) // "(?s)^(?:|[^a].*|a.+)$"
 */
export function noneOf(values: readonly string[]): string {
  const root: Node = { ends: false, next: new Map() };
  for (const value of values) insert(root, [...value]);
  return `(?s)^${other(root)}$`;
}

interface Node {
  ends: boolean;
  next: Map<string, Node>;
}

function insert(root: Node, characters: readonly string[]): void {
  let node = root;
  for (const character of characters) {
    const known = node.next.get(character);
    const child = known ?? { ends: false, next: new Map() };
    if (!known) node.next.set(character, child);
    node = child;
  }
  node.ends = true;
}

function other(node: Node): string {
  if (node.next.size === 0) return node.ends ? ".+" : ".*";
  const known = [...node.next].sort(([a], [b]) => (a < b ? -1 : 1));
  const alternatives = node.ends ? [] : [""];
  alternatives.push(`[^${known.map(([character]) => quote(character)).join("")}].*`);
  for (const [character, child] of known) alternatives.push(quote(character) + other(child));
  return `(?:${alternatives.join("|")})`;
}

/** One character, literal both inside and outside of a class. */
function quote(character: string): string {
  return /^[A-Za-z0-9_]$/.test(character) ? character : `\\x{${character.codePointAt(0)?.toString(16)}}`;
}
