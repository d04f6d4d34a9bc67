/**
 * JSON for people: what fits into a line stands in one, so that a change of one rule is a change of few lines.
 *
 * @param width columns, indentation included.
 */
export function compactJson(value: unknown, width = 140, indent = ""): string {
  const line = spaced(value);
  if (indent.length + line.length <= width || value === null || typeof value !== "object") return line;
  const inner = `${indent}  `;
  const members = Array.isArray(value)
    ? value.map((member) => inner + compactJson(member, width, inner))
    : Object.entries(value).map(
        ([key, member]) => `${inner}${JSON.stringify(key)}: ${compactJson(member, width, inner)}`,
      );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${members.join(",\n")}\n${indent}${close}`;
}

function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${spaced(member)}`);
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}
