import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A Pulumi plugin that an npm package asks for in the `pulumi` member of its package.json. */
export interface RequiredPackage {
  name: string;
  /** With a leading `v`, as the engine expects. */
  version: string;
  /** Where the plugin is downloaded from when that is not Pulumi's own place. */
  server: string;
  parameterization?: { name: string; version: string; value: Uint8Array };
}

interface Manifest {
  name?: string;
  version?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  pulumi?: {
    resource?: boolean;
    name?: string;
    version?: string;
    server?: string;
    parameterization?: { name: string; version: string; value: string };
  };
}

/**
 * The plugins that a program needs: every package that is installed for it, directly or through another, and says
 * `"pulumi": { "resource": true }`. Providers that Pulumi.yaml names by path are not npm packages and so not listed;
 * the engine knows them already.
 *
 * @param directory the program's directory; its package.json is the nearest one at or above it.
 */
export function requiredPackages(directory: string): RequiredPackage[] {
  const root = nearest(directory, "package.json");
  if (!root) return [];
  const manifest = readManifest(root);
  const found = new Map<string, RequiredPackage>();
  const seen = new Set<string>();
  const visit = (from: string, names: readonly string[]) => {
    for (const name of names) {
      const file = nearest(from, join("node_modules", name, "package.json"));
      if (!file || seen.has(file)) continue;
      seen.add(file);
      const dependency = readManifest(file);
      const required = toRequiredPackage(dependency);
      if (required) found.set(`${required.name}@${required.version}`, required);
      visit(dirname(file), Object.keys(dependency.dependencies ?? {}));
    }
  };
  visit(dirname(root), Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }));
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

/** The packages that a program's package.json names itself, with the versions installed. */
export function directDependencies(directory: string): { name: string; version: string }[] {
  const root = nearest(directory, "package.json");
  if (!root) return [];
  const manifest = readManifest(root);
  return Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).flatMap((name) => {
    const file = nearest(dirname(root), join("node_modules", name, "package.json"));
    const version = file && readManifest(file).version;
    return version ? [{ name, version }] : [];
  });
}

function toRequiredPackage({ name, version, pulumi }: Manifest): RequiredPackage | undefined {
  if (!pulumi?.resource || !name) return undefined;
  const pluginVersion = pulumi.version ?? version ?? "";
  return {
    name: pulumi.name ?? name.replace(/^@pulumi\//, ""),
    version: pluginVersion.startsWith("v") || pluginVersion === "" ? pluginVersion : `v${pluginVersion}`,
    server: pulumi.server ?? "",
    ...(pulumi.parameterization && {
      parameterization: {
        name: pulumi.parameterization.name,
        version: pulumi.parameterization.version,
        value: Buffer.from(pulumi.parameterization.value, "base64"),
      },
    }),
  };
}

function nearest(from: string, name: string): string | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const file = join(directory, name);
    if (existsSync(file)) return file;
    if (dirname(directory) === directory) return undefined;
  }
}

function readManifest(file: string): Manifest {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Manifest;
  } catch (cause) {
    throw new Error(`${file} is not readable as JSON; run npm ci`, { cause });
  }
}
