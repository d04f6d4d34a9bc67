import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pulumiEnvironment } from "./environment.ts";
import { places } from "./places.mjs";

let localDir: string;
beforeEach(() => {
  localDir = mkdtempSync(join(tmpdir(), "handrail-environment-"));
});
afterEach(() => rmSync(localDir, { recursive: true, force: true }));

const person = {
  PATH: "/usr/bin",
  HOME: "/home/ada",
  ANTHROPIC_API_KEY: "sk-real",
  VERCEL_API_TOKEN: "real",
  AWS_PROFILE: "real",
  PULUMI_CONFIG_PASSPHRASE: "real",
  npm_lifecycle_event: "demo",
};
const cloud = {
  pid: process.pid,
  vercelProxyUrl: "http://127.0.0.1:4000",
  caFile: "/ca.pem",
  vercelToken: "local-token",
  vercelTeamId: "team_local",
};
const environment = (more: Parameters<typeof pulumiEnvironment>[0] = {}) =>
  pulumiEnvironment({ ambient: person, localDir, ...more });

describe("the local cloud's environment", () => {
  it("has nothing of a real account in it", () => {
    const env = environment();
    expect(Object.values(env).filter((value) => value.includes("real"))).toEqual([]);
    expect(env.HOME).toBe("/home/ada");
    expect(env.PULUMI_BACKEND_URL).toBe(`file://${localDir}/state?metadata=skip`);
  });

  it("names a file with the passphrase, which stays the same and only this user can read", () => {
    const file = environment().PULUMI_CONFIG_PASSPHRASE_FILE ?? "";
    const first = readFileSync(file, "utf8");
    expect(first.length).toBeGreaterThan(20);
    expect(readFileSync(environment().PULUMI_CONFIG_PASSPHRASE_FILE ?? "", "utf8")).toBe(first);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(environment())).not.toContain(first);
  });

  it("starts programs on the lockfile's Node and this checkout's engine", () => {
    const [first, ...rest] = environment().PATH?.split(":") ?? [];
    expect(first).toBe(places().engineBin);
    expect(rest.indexOf(join(places().root, "node_modules", ".bin"))).toBeLessThan(rest.indexOf("/usr/bin"));
  });

  it("leads the Vercel provider to a local cloud that runs", () => {
    writeFileSync(join(localDir, "cloud.json"), JSON.stringify(cloud));
    expect(environment()).toMatchObject({
      HTTPS_PROXY: "http://127.0.0.1:4000",
      SSL_CERT_FILE: "/ca.pem",
      VERCEL_API_TOKEN: "local-token",
      NO_PROXY: expect.stringContaining("127.0.0.1"),
    });
  });

  it("ignores what a local cloud that is gone has left", () => {
    writeFileSync(join(localDir, "cloud.json"), JSON.stringify({ ...cloud, pid: 2 ** 22 + 1 }));
    expect(environment()).not.toHaveProperty("HTTPS_PROXY");
  });

  it("says which file to delete when it does not describe a local cloud", () => {
    writeFileSync(join(localDir, "cloud.json"), "{}");
    expect(() => environment()).toThrow(/cloud\.json does not describe a local cloud[\s\S]*delete it/);
  });
});

it("a local cloud that is named stays local for somebody who is logged in to a real backend", () => {
  const env = environment({
    ambient: { ...person, PULUMI_ACCESS_TOKEN: "real", PULUMI_BACKEND_URL: "https://real.example" },
  });
  expect(env).not.toHaveProperty("PULUMI_ACCESS_TOKEN");
  expect(env.PULUMI_BACKEND_URL).toBe(`file://${localDir}/state?metadata=skip`);
});

describe("a file backend that a killed engine leaves readable", () => {
  it.each([
    ["file:///srv/state", "file:///srv/state?metadata=skip"],
    ["file://~?no_tmp_dir=false", "file://~?no_tmp_dir=false&metadata=skip"],
    ["file:///srv/state?metadata=", "file:///srv/state?metadata="],
    ["s3://bucket?region=eu-central-1", "s3://bucket?region=eu-central-1"],
    ["https://api.pulumi.example", "https://api.pulumi.example"],
  ])("%s is used as %s", (given, used) => {
    expect(pulumiEnvironment({ ambient: { ...person, PULUMI_BACKEND_URL: given } }).PULUMI_BACKEND_URL).toBe(used);
  });
});

describe("the environment of a real backend", () => {
  const real = (more: NodeJS.ProcessEnv = {}) =>
    pulumiEnvironment({ ambient: { ...person, PULUMI_ACCESS_TOKEN: "pul-1", ...more } });

  it("is the person's own, without npm's", () => {
    const env = real();
    expect(env).toMatchObject({ VERCEL_API_TOKEN: "real", AWS_PROFILE: "real", PULUMI_CONFIG_PASSPHRASE: "real" });
    expect(env).not.toHaveProperty("npm_lifecycle_event");
    expect(env).not.toHaveProperty("HTTPS_PROXY");
    expect(env).not.toHaveProperty("PULUMI_STACK");
  });

  it("takes the programs and providers on Node through the person's proxy too", () => {
    expect(real({ HTTPS_PROXY: "http://proxy.corp.example:3128" })).toMatchObject({ NODE_USE_ENV_PROXY: "1" });
    expect(real()).not.toHaveProperty("NODE_USE_ENV_PROXY");
  });

  it("never uses the local cloud's PULUMI_HOME, whose Vercel plugin may be the stand-in", () => {
    expect(real().PULUMI_HOME).toBe(places().home);
    expect(real({ PULUMI_HOME: "/home/ada/.pulumi" }).PULUMI_HOME).toBe("/home/ada/.pulumi");
  });
});
