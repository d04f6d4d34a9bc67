import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { places } from "../places.mjs";
import { directDependencies, requiredPackages } from "./required-packages.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "handrail-packages-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const manifest = (path: string, content: object) => {
  const file = join(folder, path, "package.json");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(content));
};

describe("the plugins that a program needs", () => {
  it("are the Vercel provider for this project, which makes its own provider known by path", () => {
    expect(requiredPackages(places().root)).toEqual([
      { name: "vercel", version: "v5.4.1", server: "github://api.github.com/pulumiverse" },
    ]);
  });

  it("are found through other packages, nested and above the program's folder, and in circles", () => {
    manifest("", { dependencies: { component: "1", plain: "1" } });
    manifest("node_modules/component", { name: "component", dependencies: { "@pulumi/cloud": "1", component: "1" } });
    manifest("node_modules/component/node_modules/@pulumi/cloud", {
      name: "@pulumi/cloud",
      version: "6.1.0",
      pulumi: { resource: true },
    });
    manifest("node_modules/plain", { name: "plain", version: "1.0.0", dependencies: { gone: "1" } });
    mkdirSync(join(folder, "program"));
    expect(requiredPackages(join(folder, "program"))).toEqual([{ name: "cloud", version: "v6.1.0", server: "" }]);
    expect(directDependencies(join(folder, "program"))).toEqual([{ name: "plain", version: "1.0.0" }]);
  });

  it("carry their parameter when they are made from another provider", () => {
    manifest("", { devDependencies: { bridged: "1" } });
    manifest("node_modules/bridged", {
      name: "bridged",
      version: "0.1.0",
      pulumi: {
        resource: true,
        name: "terraform-provider",
        version: "1.2.3",
        parameterization: { name: "bridged", version: "0.1.0", value: Buffer.from("{}").toString("base64") },
      },
    });
    expect(requiredPackages(folder)).toEqual([
      {
        name: "terraform-provider",
        version: "v1.2.3",
        server: "",
        parameterization: { name: "bridged", version: "0.1.0", value: Buffer.from("{}") },
      },
    ]);
  });
});
