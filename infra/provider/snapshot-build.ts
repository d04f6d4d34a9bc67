/** Builds the snapshot: a sandbox, the runner's files as root's, the set-up steps, a check of what lies there. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { NetworkPolicy } from "@vercel/sandbox";
import { manifestDigest, manifestSchema } from "../../runner/manifest.ts";
import { INSTALL_DIR, WORKSPACE } from "../../runner/vm.ts";
import type { OperationContext } from "./definition.ts";
import type { Builder, Command, SnapshotApi, SnapshotInfo } from "./snapshot-api.ts";
import { readWorkspace, type WorkspaceFile } from "./workspace-files.ts";

export interface SnapshotRecipe {
  /** The builder's name: the same recipe always has the same one. */
  readonly name: string;
  /** Relative to the project. */
  readonly runnerDir: string;
  readonly runnerDigest: string;
  /** Relative to the project; with the digest of its files. */
  readonly workspaceDir: string | undefined;
  readonly workspaceDigest: string | undefined;
  readonly image: string | undefined;
  readonly steps: readonly Command[];
  readonly networkPolicy: unknown;
  readonly expirationMs: number;
}

interface File {
  readonly name: string;
  readonly content: Uint8Array;
  readonly sha256: string;
  readonly mode: number;
}

/** A builder ends by itself after this time, should nobody delete it. */
const BUILDER_TIMEOUT_MS = 30 * 60_000;
const STAGING = "/tmp/handrail-install";

/**
 * Makes the snapshot, or takes the one that an interrupted build of the same recipe has made.
 *
 * The stopped builder stays behind as the receipt: as long as it is there, nobody has recorded its snapshot, and the
 * snapshot may be adopted. Whoever has recorded it deletes the builder.
 */
export async function buildSnapshot(
  recipe: SnapshotRecipe,
  api: SnapshotApi,
  context: Pick<OperationContext, "log" | "projectDir" | "signal">,
): Promise<SnapshotInfo> {
  const files = await runnerFiles(recipe, context.projectDir);
  const workspace = await workspaceFiles(recipe, context.projectDir);
  const left = await api.leftBy(recipe.name);
  if (left !== undefined && left !== "none") {
    context.log("info", `continues with ${left.id}, which an interrupted run made`);
    return left;
  }
  // Half built, and nobody knows which half.
  if (left === "none") await api.deleteBuilder(recipe.name);
  let finished = false;
  try {
    const builder = await api.createBuilder({
      name: recipe.name,
      image: recipe.image,
      networkPolicy: recipe.networkPolicy as NetworkPolicy,
      tags: { handrail: "snapshot-builder" },
      timeoutMs: BUILDER_TIMEOUT_MS,
    });
    context.log("info", "installs the runner in a builder sandbox");
    await install(files, builder);
    await fill(workspace, builder);
    for (const step of recipe.steps) await builder.run(step);
    await check(files, builder);
    const made = await builder.snapshot(recipe.expirationMs);
    finished = true;
    return made;
  } finally {
    if (!finished) await api.deleteBuilder(recipe.name, { snapshots: true }).catch(() => {});
  }
}

/** @throws when the folder does not hold the build that the digest stands for. */
async function runnerFiles({ runnerDir, runnerDigest }: SnapshotRecipe, projectDir: string): Promise<File[]> {
  const folder = join(projectDir, runnerDir);
  const manifestFile = await readFile(join(folder, "manifest.json")).catch(() => {
    throw new Error(`${runnerDir}/manifest.json is missing: build the runner first (infra/index.ts does)`);
  });
  const manifest = manifestSchema.parse(JSON.parse(manifestFile.toString("utf8")));
  if (manifest.digest !== runnerDigest || manifestDigest(manifest.files) !== runnerDigest) {
    throw new Error(
      `${runnerDir} holds the runner ${manifest.digest}, not ${runnerDigest}: it was built again meanwhile`,
    );
  }
  const files = [{ name: "manifest.json", content: manifestFile, sha256: sha256(manifestFile), mode: 0o644 }];
  for (const [name, expected] of Object.entries(manifest.files)) {
    const content = await readFile(join(folder, name));
    if (sha256(content) !== expected) throw new Error(`${runnerDir}/${name} is not the file that its manifest lists`);
    files.push({ name, content, sha256: expected, mode: name.endsWith(".sh") ? 0o755 : 0o644 });
  }
  return files;
}

/** By way of a folder that the image's user may write to: the files themselves must be root's. */
async function install(files: readonly File[], builder: Builder): Promise<void> {
  await builder.write(files.map(({ name, content, mode }) => ({ path: `${STAGING}/${name}`, content, mode })));
  await builder.run(root("mkdir", "-p", INSTALL_DIR));
  for (const { name, mode } of files) {
    const permissions = mode.toString(8).padStart(4, "0");
    await builder.run(
      root("install", "-o", "0", "-g", "0", "-m", permissions, `${STAGING}/${name}`, `${INSTALL_DIR}/${name}`),
    );
  }
  await builder.run(root("rm", "-rf", STAGING));
}

/** Before the set-up steps: they give the workspace to the executor's user. */
async function fill(files: readonly WorkspaceFile[], builder: Builder): Promise<void> {
  if (files.length === 0) return;
  await builder.write(files.map(({ path, content, mode }) => ({ path: `${STAGING}/${path}`, content, mode })));
  await builder.run(root("mkdir", "-p", WORKSPACE));
  await builder.run(root("cp", "-R", `${STAGING}/.`, WORKSPACE));
  await builder.run(root("rm", "-rf", STAGING));
}

/** @throws when the folder does not hold the files that the digest stands for. */
async function workspaceFiles(
  { workspaceDir, workspaceDigest }: SnapshotRecipe,
  projectDir: string,
): Promise<readonly WorkspaceFile[]> {
  if (workspaceDir === undefined) return [];
  const workspace = await readWorkspace(join(projectDir, workspaceDir));
  if (workspace.digest !== workspaceDigest) {
    throw new Error(
      `${workspaceDir} holds the files ${workspace.digest}, not ${workspaceDigest}: it changed meanwhile`,
    );
  }
  return workspace.files;
}

/** After the set-up steps, since any of them may have overwritten something. */
async function check(files: readonly File[], builder: Builder): Promise<void> {
  const sums = files.map(({ name, sha256: sum }) => `${sum}  ${INSTALL_DIR}/${name}`).join("\n");
  await builder.run(root("sh", "-c", `printf '%s\\n' '${sums}' | sha256sum -c --quiet -`));
  const owners = `find ${INSTALL_DIR} \\( ! -uid 0 -o -perm /022 \\) -print`;
  await builder.run(
    root("sh", "-c", `found=$(${owners}); [ -z "$found" ] || { echo "not root's own: $found"; exit 1; }`),
  );
}

function root(cmd: string, ...args: string[]): Command {
  return { cmd, args, sudo: true };
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
