/** Paths of API requests, built so that a value cannot leave its segment. */

// Besides separators and dot segments, everything that encodeURIComponent turns into an escape which some server decodes
// into one of them. The compiled policy refuses the same on the wire; this is the message that says why.
const UNSAFE = /[/\\%;?#\p{Cc}]/u;

/**
 * Fills an OpenAPI path template, one value per `{param}`. Each value becomes exactly one segment.
 *
 * @throws Error when a value is missing, empty, a dot segment, or holds a separator (`/ \\ % ; ? #`) or control character; or when a
 * value is given that the template does not name.
 *
 * @example
 * ```ts
 * expandPath("/v1/customers/{customer}/notes", { customer: "cus 42" }); // "/v1/customers/cus%2042/notes"
 * ```
 */
export function expandPath(template: string, values: Readonly<Record<string, string>>): string {
  const unused = new Set(Object.keys(values));
  const path = template.replace(/\{([^{}]*)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`path ${template}: no value for {${name}}`);
    unused.delete(name);
    return segment(value, name);
  });
  if (unused.size > 0) throw new Error(`path ${template} has no {${[...unused].join("}, {")}}`);
  return path;
}

function segment(value: string, name: string): string {
  if (value === "" || value === "." || value === "..") {
    throw new Error(`${name} must not be empty or a dot segment, got ${JSON.stringify(value)}`);
  }
  if (UNSAFE.test(value) || !value.isWellFormed()) {
    throw new Error(`${name} must be one path segment, without / \\ % ; ? # or control characters`);
  }
  return encodeURIComponent(value);
}
