import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { places, vercelPluginVersion } from "../places.mjs";
import { shellQuote } from "./engine.mjs";
import { isExecutable, run } from "./processes.mjs";
import { isReachable } from "./reachable.mjs";
import { digest, replaceFile } from "./stamp.mjs";

/** A download of about 20 MB that takes longer than this, in ms, is given up for the stand-in. */
const DOWNLOAD_TIMEOUT_MS = 3 * 60_000;

const SERVER = "github://api.github.com/pulumiverse";

/**
 * The Vercel plugin of the local cloud's own PULUMI_HOME: the real one where it can be downloaded, else our stand-in,
 * which makes the same HTTP calls for the resource types that we use. Stacks on real accounts have another home, where
 * the engine downloads the real one and nothing else will do.
 *
 * @param {{ root?: string, env?: Record<string, string | undefined> }} [options]
 * @returns {import("./setup.mjs").Step}
 */
export function vercelPlugin({ root, env = process.env } = {}) {
  const at = places(root);
  const folder = join(at.localHome, "plugins", `resource-vercel-v${vercelPluginVersion}`);
  const binary = join(folder, "pulumi-resource-vercel");
  return {
    name: "Vercel plugin",
    key: () => digest(vercelPluginVersion, at.root),
    async ensure(report) {
      const unreachable = await isReachable(archiveUrl());
      if (!unreachable) {
        report.begin("Vercel plugin", `downloading version ${vercelPluginVersion}`);
        rmSync(folder, { recursive: true, force: true });
        const { code, output } = await run(
          at.engine,
          ["plugin", "install", "resource", "vercel", vercelPluginVersion, "--server", SERVER, "--reinstall"],
          {
            env: { ...env, PULUMI_HOME: at.localHome, PULUMI_SKIP_UPDATE_CHECK: "true" },
            timeoutMs: DOWNLOAD_TIMEOUT_MS,
          },
        );
        if (code === 0 && isExecutable(binary)) {
          return { text: `${vercelPluginVersion}, the real one`, witnesses: [binary] };
        }
        report.note("Vercel plugin", `the download failed: ${output.split("\n").at(-1)}`);
      }
      mkdirSync(folder, { recursive: true });
      // The engine takes a plugin with this file beside it for one that is still being installed.
      rmSync(`${folder}.partial`, { force: true });
      replaceFile(binary, standInScript(at), 0o755);
      const reason = unreachable ? ` (${unreachable})` : "";
      return { text: `our stand-in, for the local cloud only${reason}`, witnesses: [binary] };
    },
  };
}

/** @param {ReturnType<typeof places>} at */
function standInScript(at) {
  const main = join(at.root, "infra", "local", "vercel-provider", "main.ts");
  return `#!/bin/sh\nexec ${shellQuote(at.node)} ${shellQuote(main)} "$@"\n`;
}

function archiveUrl() {
  const os = process.platform;
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const version = `v${vercelPluginVersion}`;
  return `https://github.com/pulumiverse/pulumi-vercel/releases/download/${version}/pulumi-resource-vercel-${version}-${os}-${arch}.tar.gz`;
}
