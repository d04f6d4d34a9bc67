/** Which part of a Build Output answers a path: the `routes` of its config, its static files and its functions. */
import type { BuildOutput, Route } from "./build-output.ts";

export type Routed =
  | { kind: "static"; file: string; headers: Record<string, string>; status: number }
  | {
      kind: "function";
      name: string /** Path and query the function sees. */;
      target: string;
      headers: Record<string, string>;
    }
  | { kind: "status"; status: number; headers: Record<string, string> }
  | { kind: "none" };

/**
 * Reads `routes` as the Build Output API defines them, up to and including `handle: "filesystem"` and what follows it;
 * the later phases (`miss`, `error`, …), `has`, `missing` and `check` are not read.
 */
export function route(output: BuildOutput, method: string, target: string): Routed {
  const { pathname, search } = new URL(target, "http://deployment");
  const headers: Record<string, string> = {};
  let path = pathname;
  let filesystemTried = false;

  for (const rule of output.config.routes ?? []) {
    if ("handle" in rule) {
      if (rule.handle !== "filesystem") break;
      filesystemTried = true;
      const found = lookUp(output, path, search, headers);
      if (found) return found;
      continue;
    }
    const match = matches(rule, method, path);
    if (!match) continue;
    for (const [name, value] of Object.entries(rule.headers ?? {})) headers[name.toLowerCase()] = fill(value, match);
    if (rule.dest !== undefined) path = fill(rule.dest, match);
    if (rule.continue) continue;
    if (rule.status !== undefined && rule.dest === undefined) return { kind: "status", status: rule.status, headers };
    const found = lookUp(output, path, search, headers, rule.status);
    if (found) return found;
    if (rule.dest !== undefined) return { kind: "none" };
  }
  return (filesystemTried ? undefined : lookUp(output, path, search, headers)) ?? { kind: "none" };
}

function matches(rule: Exclude<Route, { handle: string }>, method: string, path: string): RegExpExecArray | null {
  if (rule.methods && !rule.methods.includes(method)) return null;
  return new RegExp(`^(?:${rule.src})$`).exec(path);
}

/** Puts what the pattern captured in place of `$1`, `$name`. */
function fill(template: string, match: RegExpExecArray): string {
  return template.replace(/\$(\d+|[A-Za-z_]\w*)/g, (_, key: string) =>
    String((/^\d/.test(key) ? match[Number(key)] : match.groups?.[key]) ?? ""),
  );
}

function lookUp(
  output: BuildOutput,
  path: string,
  search: string,
  headers: Record<string, string>,
  status = 200,
): Routed | undefined {
  const { pathname, search: ownSearch } = new URL(path, "http://deployment");
  let name: string;
  try {
    name = decodeURIComponent(pathname).replace(/^\/+|\/+$/g, "");
  } catch {
    return { kind: "status", status: 400, headers };
  }
  for (const candidate of [name, `${name}/index`, `${name}.html`, `${name}/index.html`].map((one) =>
    one.replace(/^\//, ""),
  )) {
    const file = output.statics.get(candidate);
    if (file !== undefined) return { kind: "static", file, headers, status };
    if (output.functions.has(candidate)) {
      return { kind: "function", name: candidate, target: pathname + (ownSearch || search), headers };
    }
  }
  return undefined;
}
