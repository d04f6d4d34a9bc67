/** `npm run format`: Biome formats what it can and names the rest. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { places } from "../infra/engine/places.mjs";

const { root } = places();
const biome = join(root, "node_modules", ".bin", "biome");
const paths = process.argv.slice(2);
const { status } = spawnSync(biome, ["check", "--write", ...(paths.length > 0 ? paths : ["."])], {
  cwd: root,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
