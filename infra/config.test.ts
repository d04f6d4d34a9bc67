import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";

const whole = {
  "handrail:anthropicApiKey": "sk-ant-api03-value",
  "handrail:crmToken": "crm-token-value",
  "handrail:crmWriteToken": "crm-write-token-value",
  "handrail:vercelToken": "vercel-token-value",
  "handrail:vercelTeamId": "team_1",
};
const KEY = `whsec_${Buffer.alloc(24, 1).toString("base64url")}`;

function problems(change: Record<string, string | undefined>): string {
  const all = Object.fromEntries(Object.entries({ ...whole, ...change }).filter((entry) => entry[1] !== undefined));
  try {
    readConfig(all as Record<string, string>, "staging");
  } catch (error) {
    expect(error).toBeInstanceOf(pulumi.RunError);
    return (error as Error).message;
  }
  return "";
}

const config = "npm run pulumi -- config";

test.each([
  [
    "a missing secret",
    { "handrail:crmToken": undefined },
    `  handrail:crmToken is missing; set it: ${config} set --secret handrail:crmToken`,
  ],
  [
    "a missing plain value",
    { "handrail:vercelTeamId": undefined },
    `  handrail:vercelTeamId is missing; set it: ${config} set handrail:vercelTeamId <value>`,
  ],
  [
    "a key that is none",
    { "handrail:crmTokn": "x" },
    `  handrail:crmTokn is not a key of this project; remove it: ${config} rm handrail:crmTokn`,
  ],
  [
    "an empty secret",
    { "handrail:anthropicApiKey": "" },
    `  handrail:anthropicApiKey is empty; set it: ${config} set --secret handrail:anthropicApiKey`,
  ],
  [
    "a secret with a line end, as pasting leaves it",
    { "handrail:vercelToken": "hidden-value\n" },
    `  handrail:vercelToken has blanks or a line end around it; set it: ${config} set --secret handrail:vercelToken`,
  ],
  [
    "a signing secret that was cut off",
    { "handrail:webhookSigningKey": "whsec_hidden" },
    `  handrail:webhookSigningKey must be the secret that the Console showed: whsec_…; set it: ${config} set --secret handrail:webhookSigningKey`,
  ],
  [
    "an environment key that was cut off",
    { "handrail:environmentKey": "hidden" },
    `  handrail:environmentKey is too short for what the Console showed; set it: ${config} set --secret handrail:environmentKey`,
  ],
  [
    "a URL without a scheme",
    { "handrail:anthropicBaseUrl": "hidden.example" },
    `  handrail:anthropicBaseUrl must be an http(s) URL; set it: ${config} set handrail:anthropicBaseUrl <value>`,
  ],
  [
    "a production address with a path",
    { "handrail:productionUrl": "https://hidden.example/api" },
    `  handrail:productionUrl must be an address without a path; set it: ${config} set handrail:productionUrl <value>`,
  ],
  [
    "a flag that is none",
    { "handrail:protect": "hidden" },
    `  handrail:protect must be true or false; set it: ${config} set handrail:protect <value>`,
  ],
])("%s is refused by key, with the fix and without any value", (_, change, line) => {
  const message = problems(change);
  expect(message).toBe(`the configuration of stack staging is not usable:\n${line}`);
  expect(message).not.toMatch(/hidden|-value\b/);
});

test("all problems are said at once", () => {
  expect(
    problems({ "handrail:crmToken": undefined, "handrail:typo": "1", "handrail:protect": "?" }).split("\n"),
  ).toHaveLength(4);
});

test("what is left out is derived from the stack, and gates may stay open", () => {
  const found = readConfig({ ...whole, "aws:region": "ignored" }, "Staging_2");
  expect(found).toMatchObject({
    projectName: "handrail-staging-2",
    productionUrl: "https://handrail-staging-2.vercel.app",
    protect: true,
    environmentKey: undefined,
    webhookSigningKey: undefined,
  });
});

test("a trailing slash does no harm, and a stack with an Anthropic address of its own is not protected", () => {
  const found = readConfig(
    { ...whole, "handrail:productionUrl": "https://run.example/", "handrail:anthropicBaseUrl": "http://127.0.0.1:1/" },
    "local",
  );
  expect(found).toMatchObject({
    productionUrl: "https://run.example",
    anthropicBaseUrl: "http://127.0.0.1:1",
    protect: false,
  });
});

test("secrets are secret outputs", async () => {
  const found = readConfig(
    { ...whole, "handrail:webhookSigningKey": KEY, "handrail:environmentKey": "e".repeat(16) },
    "x",
  );
  for (const name of [
    "anthropicApiKey",
    "crmToken",
    "crmWriteToken",
    "vercelToken",
    "environmentKey",
    "webhookSigningKey",
  ] as const) {
    expect([name, await pulumi.isSecret(found[name] as pulumi.Output<string>)]).toEqual([name, true]);
  }
});
