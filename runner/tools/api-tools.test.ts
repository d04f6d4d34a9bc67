/** The API tools against the real policy: what they send, and with whose ticket. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseLock } from "../../policies/engine/lock.ts";
import lockJson from "../../policies/support.lock.json" with { type: "json" };
import { type BrokeredFetch, createBrokeredFetch } from "../fetch/brokered-fetch.ts";
import { bindInSandbox, deservesTicket } from "../supervisor/policy.ts";
import { testHandover } from "../testing/handover.ts";
import { type HttpsOrigins, startHttpsOrigins } from "../testing/https-origins.ts";
import type { ApiContext } from "../tool.ts";
import { addNote } from "./add-note.ts";
import { getCustomer } from "./get-customer.ts";

const handover = testHandover();
const bound = bindInSandbox(parseLock(lockJson), handover);

let origins: HttpsOrigins;
let status: number;
let body: string;

beforeEach(async () => {
  status = 200;
  body = '{"id":"cus_42"}';
  origins = await startHttpsOrigins({
    "api.crm.example": (_request, response) => response.writeHead(status).end(body),
    "api.anthropic.com": (_request, response) => response.end("{}"),
    "packages.example": (_request, response) => response.end("{}"),
  });
});

afterEach(() => origins.close());

function fetchOf(principal: string): BrokeredFetch {
  const ticket = handover.tickets[principal];
  return createBrokeredFetch({ ticket, deserves: deservesTicket(bound, principal), dispatcher: origins.dispatcher });
}

function context(principal: string, variables = handover.variables): ApiContext {
  return { callId: "sevt_1", signal: new AbortController().signal, fetch: fetchOf(principal), variables };
}

const last = () => origins.received.at(-1);
const ticketOf = (principal: string) => ({ "x-handrail-principal": handover.tickets[principal] });

describe("get_customer", () => {
  test("reads the bound customer with its own ticket", async () => {
    expect(await getCustomer.run({}, context("get_customer"))).toBe('{"id":"cus_42"}');
    expect(last()).toMatchObject({ method: "GET", target: "/v1/customers/cus_42", headers: ticketOf("get_customer") });
  });

  test("takes no customer from the model", async () => {
    await expect(getCustomer.run({ customer: "cus_43" }, context("get_customer"))).rejects.toThrow(/customer/);
    expect(origins.received).toEqual([]);
  });

  test("passes on what the firewall or the API says when it refuses", async () => {
    status = 403;
    await expect(getCustomer.run({}, context("get_customer"))).rejects.toThrow(/HTTP 403: \{"id":"cus_42"\}/);
  });

  test("does not take an answer without end", async () => {
    body = "x".repeat(300_000);
    await expect(getCustomer.run({}, context("get_customer"))).rejects.toThrow(/more than 262144 bytes/);
  });

  test("says that the session has no customer", async () => {
    await expect(getCustomer.run({}, context("get_customer", {}))).rejects.toThrow(/bound to no customer/);
  });
});

test("add_note sends the call's id, by which the API can tell a repetition", async () => {
  const send = () => addNote.run({ text: "fixed" }, context("add_note"));
  expect([await send(), await send()]).toEqual(["The note was added.", "The note was added."]);
  for (const request of origins.received) {
    expect(request).toMatchObject({
      method: "POST",
      target: "/v1/customers/cus_42/notes",
      headers: { ...ticketOf("add_note"), "idempotency-key": "sevt_1" },
      body: '{"text":"fixed"}',
    });
  }
});

describe("a ticket is only spent where its own principal has a rule", () => {
  test.each([
    ["get_customer", "GET", "https://api.crm.example/v1/customers/cus_42", true],
    ["get_customer", "GET", "https://api.crm.example/v1/customers/cus_43", false],
    ["get_customer", "GET", "https://api.crm.example/v1/customers/cus_42?expand=orders", false],
    ["get_customer", "GET", "https://api.crm.example/v1/customers/x%2f..%2fcus_42", false],
    ["get_customer", "POST", "https://api.crm.example/v1/customers/cus_42/notes", false],
    ["get_customer", "GET", "https://packages.example/left-pad", false],
    ["add_note", "POST", "https://api.crm.example/v1/customers/cus_42/notes", true],
    ["add_note", "GET", "https://api.crm.example/v1/customers/cus_42", false],
    ["supervisor", "GET", "https://api.anthropic.com/v1/sessions/sesn_1", true],
    ["supervisor", "GET", "https://api.anthropic.com/v1/sessions/sesn_1/events?limit=1000", true],
    ["supervisor", "GET", "https://api.anthropic.com/v1/sessions/sesn_1/events/stream", true],
    ["supervisor", "POST", "https://api.anthropic.com/v1/sessions/sesn_1/events", true],
    ["supervisor", "POST", "https://api.anthropic.com/v1/environments/env_1/work/sesn_1/stop", true],
    [
      "supervisor",
      "POST",
      "https://api.anthropic.com/v1/environments/env_1/work/sesn_1/heartbeat?expected_last_heartbeat=2026-01-01T00%3A00%3A00Z",
      true,
    ],
    ["supervisor", "GET", "https://api.anthropic.com/v1/sessions/sesn_2", false],
    ["supervisor", "GET", "https://api.anthropic.com/v1/models", false],
    ["supervisor", "GET", "https://api.crm.example/v1/customers/cus_42", false],
  ])("%s %s %s: %j", async (principal, method, url, spent) => {
    const headers = { authorization: principal === "supervisor" ? "Bearer placeholder" : "" };
    await fetchOf(principal)(url, { method, headers: principal === "supervisor" ? headers : {} });
    expect(last()?.headers["x-handrail-principal"]).toBe(spent ? handover.tickets[principal] : undefined);
  });
});
