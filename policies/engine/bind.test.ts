import fc from "fast-check";
import { describe, expect, test } from "vitest";
import supportPolicy from "../support.policy.ts";
import { type Binding, bind } from "./bind.ts";
import { compile } from "./compile.ts";
import { definePolicy } from "./define.ts";
import { PolicyError } from "./errors.ts";
import { evaluate } from "./evaluate.ts";
import { perCustomer } from "./per-customer.ts";
import { TICKET_HEADER } from "./ticket.ts";

const lock = compile(supportPolicy);
const ticket = (digit: string) => digit.repeat(32);
const binding: Binding = {
  phase: "run",
  variables: { session: "sesn_1", work: "work_1", environment: "env_1", customer: "cus_1" },
  credentials: { crm: "crm-secret", "crm-write": "write-secret", "session-token": "session-secret" },
  tickets: { supervisor: ticket("a"), get_customer: ticket("b"), add_note: ticket("c") },
};

function refusal(change: Partial<Binding>): string {
  try {
    bind(lock, { ...binding, ...change });
  } catch (error) {
    if (error instanceof PolicyError) return error.message;
    throw error;
  }
  return "bound";
}

const ask = (bound: ReturnType<typeof bind>, target: string, value: string) =>
  evaluate(bound, { method: "GET", host: "api.crm.example", target, headers: [[TICKET_HEADER, value]] });

describe("a binding is refused", () => {
  const { customer: _, ...noCustomer } = binding.variables;
  const { "crm-write": __, ...noCredential } = binding.credentials;
  const { add_note: ___, ...noTicket } = binding.tickets;
  test.each<[string, Partial<Binding>, string]>([
    ["a variable is missing", { variables: noCustomer }, "variables.customer: is missing"],
    ["a variable is unknown", { variables: { ...binding.variables, custmer: "x" } }, "variables.custmer: is unknown"],
    ["a credential is missing", { credentials: noCredential }, "credentials.crm-write: is missing"],
    ["a credential is unknown", { credentials: { ...binding.credentials, x: "y" } }, "credentials.x: is unknown"],
    ["a credential is empty", { credentials: { ...binding.credentials, crm: "" } }, "credentials.crm: has a value"],
    [
      "a credential has a line break",
      { credentials: { ...binding.credentials, crm: "x\r\nHost: y" } },
      "credentials.crm",
    ],
    ["a credential ends with one", { credentials: { ...binding.credentials, crm: "x\n" } }, "credentials.crm"],
    ["a ticket is missing", { tickets: noTicket }, "tickets.add_note: is missing"],
    ["a tool has no ticket left", { tickets: { ...binding.tickets, add_note: [] } }, "tickets.add_note: has a value"],
    ["a ticket is short", { tickets: { ...binding.tickets, add_note: "abc" } }, "tickets.add_note: has a value"],
    [
      "a file tool is given one",
      { tickets: { ...binding.tickets, read_file: ticket("d") } },
      "tickets.read_file: is unknown",
    ],
    [
      "the sandbox is given one",
      { tickets: { ...binding.tickets, sandbox: ticket("d") } },
      "tickets.sandbox: is unknown",
    ],
    ["two principals share one", { tickets: { ...binding.tickets, add_note: ticket("b") } }, "two are the same"],
  ])("when %s", (_, change, message) => expect(refusal(change)).toContain(message));

  test("without telling a value", () => {
    expect(refusal({ credentials: { ...binding.credentials, crm: "very secret\n" } })).not.toContain("very");
    expect(refusal({ tickets: { ...binding.tickets, add_note: "short-ticket" } })).not.toContain("short-ticket");
  });
});

test("whatever a variable holds, binding fails or only that value is let through", () => {
  const value = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(".*", "a|b", "\\Q", "cus_1\n", "", "..", "%2e%2e", "a/b", "[^/]+", "{customer}", "$", "-", "é"),
    fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/),
  );
  fc.assert(
    fc.property(value, value, (customer, other) => {
      const change = { variables: { ...binding.variables, customer } };
      if (!/^[A-Za-z0-9_-]+$/.test(customer) || customer.includes("\n")) {
        expect(refusal(change)).toContain("variables.customer");
        return;
      }
      const bound = bind(lock, { ...binding, ...change });
      expect(ask(bound, `/v1/customers/${customer}`, ticket("b")).outcome.kind).toBe("credentialed");
      const kind = ask(bound, `/v1/customers/${other}`, ticket("b")).outcome.kind;
      expect(kind).toBe(other === customer ? "credentialed" : "answered");
    }),
  );
});

test("a bound query value lets that value through and no other", () => {
  const { lookup } = { lookup: { host: "api.crm.example", methods: ["GET"], path: "/v1/search" } } as const;
  const policy = definePolicy({
    agent: "desk",
    variables: { customer: { source: "metadata.customer", example: "cus_1" } },
    tools: {
      lookup: { kind: "api", network: "own", allow: [{ ...lookup, query: { of: "id:{customer}".replace(":", "-") } }] },
    },
  });
  const tickets = { supervisor: ticket("a"), lookup: ticket("b") };
  const bound = bind(compile(policy), { ...binding, credentials: { "session-token": "x" }, tickets });
  expect(ask(bound, "/v1/search?of=id-cus_1", ticket("b")).outcome.kind).toBe("plain");
  expect(ask(bound, "/v1/search?of=id-cus_2", ticket("b")).outcome.kind).toBe("answered");
  expect(ask(bound, "/v1/search?of=id-cus_1&of=id-cus_2", ticket("b")).outcome.kind).toBe("answered");
});

test("two generations of a ticket hold at once, and no third", () => {
  const bound = bind(lock, { ...binding, tickets: { ...binding.tickets, get_customer: [ticket("b"), ticket("d")] } });
  expect(ask(bound, "/v1/customers/cus_1", ticket("b")).outcome.kind).toBe("credentialed");
  expect(ask(bound, "/v1/customers/cus_1", ticket("d")).outcome.kind).toBe("credentialed");
  expect(ask(bound, "/v1/customers/cus_1", `${ticket("b")}|${ticket("d")}`).outcome.kind).toBe("answered");
  expect(bound.principals).toMatchObject({ [ticket("b")]: "get_customer", [ticket("d")]: "get_customer" });
});

test("credentials take their form on the wire, and are named without their values", () => {
  const secret = { type: "secret", name: "x" } as const;
  const rule = { host: "a.example.com", methods: ["GET"] } as const;
  const policy = definePolicy({
    agent: "desk",
    credentials: {
      one: { form: { type: "bearer" }, source: secret },
      two: { form: { type: "basic", username: "bot" }, source: secret },
      three: { form: { type: "header", name: "X-Token" }, source: secret },
    },
    tools: {
      lookup: {
        kind: "api",
        network: "own",
        allow: [
          { ...rule, path: "/1", credential: "one" },
          { ...rule, path: "/2", credential: "two" },
          { ...rule, path: "/3", credential: "three" },
        ],
      },
    },
  });
  const credentials = { one: "s1", two: "s2", three: "s3", "session-token": "s4" };
  const bound = bind(compile(policy), {
    ...binding,
    variables: { session: "s", work: "w", environment: "e" },
    credentials,
    tickets: { supervisor: ticket("a"), lookup: ticket("b") },
  });
  const set = ["/1", "/2", "/3"].map((target) => {
    const decision = evaluate(bound, {
      method: "GET",
      host: rule.host,
      target,
      headers: [[TICKET_HEADER, ticket("b")]],
    });
    return { ...decision.rule?.transform?.[0]?.headers, ...decision.outcome };
  });
  expect(set).toMatchObject([
    { authorization: "Bearer s1", Host: rule.host, credentials: ["one"] },
    { authorization: `Basic ${btoa("bot:s2")}`, credentials: ["two"] },
    { "x-token": "s3", credentials: ["three"] },
  ]);
  expect(JSON.stringify({ ...bound, networkPolicy: null })).not.toMatch(/s[1-4]/);
});

test("set-up knows no ticket and no credential, and a policy without rules denies all", () => {
  const bound = bind(lock, { phase: "setup", variables: {}, credentials: {}, tickets: {} });
  expect(Object.keys((bound.networkPolicy as { allow: object }).allow)).toEqual(["packages.example"]);
  const empty = compile(definePolicy({ agent: "desk", tools: {} }));
  expect(bind(empty, { phase: "setup", variables: {}, credentials: {}, tickets: {} }).networkPolicy).toBe("deny-all");
});

test("the supervisor's ticket opens this session and this work item, and nothing else of Anthropic's API", () => {
  const bound = bind(lock, binding);
  const reach = (method: string, target: string) =>
    evaluate(bound, {
      method,
      host: "api.anthropic.com",
      target,
      headers: [
        [TICKET_HEADER, ticket("a")],
        ["authorization", "Bearer placeholder"],
      ],
    }).outcome.kind;
  const work = "/v1/environments/env_1/work/work_1";
  for (const [method, target] of [
    ["GET", "/v1/sessions/sesn_1"],
    ["GET", "/v1/sessions/sesn_1/events?limit=1000&page=x"],
    ["GET", "/v1/sessions/sesn_1/events/stream"],
    ["GET", "/v1/sessions/sesn_1/events/stream?event_deltas%5B%5D=agent.message"],
    ["POST", "/v1/sessions/sesn_1/events"],
    ["POST", `${work}/heartbeat?desired_ttl_seconds=60&expected_last_heartbeat=2026-01-01T00%3A00%3A00Z`],
    ["POST", `${work}/stop`],
  ] as const) {
    expect(reach(method, target), target).toBe("credentialed");
  }
  for (const [method, target] of [
    ["GET", "/v1/sessions/sesn_2"],
    ["GET", "/v1/sessions/sesn_1/../sesn_2"],
    ["GET", "/v1/sessions/sesn_1/%2e%2e/sesn_2"],
    ["GET", "/v1//sessions/sesn_1"],
    ["GET", "/v1/sessions/sesn_1?limit=1"],
    ["GET", "/v1/sessions/sesn_1/events?limit=1&order=desc"],
    ["POST", "/v1/sessions/sesn_1"],
    ["DELETE", "/v1/sessions/sesn_1"],
    ["GET", "/v1/models"],
    ["POST", "/v1/messages"],
    ["GET", "/v1/environments/env_1/work/poll"],
    ["POST", `${work}/ack`],
    ["GET", work],
    ["POST", "/v1/environments/env_1/work/work_2/stop"],
    ["POST", "/v1/environments/env_2/work/work_1/stop"],
  ] as const) {
    expect(reach(method, target), target).toBe("answered");
  }
});

describe("a credential of the customer's own", () => {
  const host = "api.crm.example";
  const policy = definePolicy({
    agent: "desk",
    credentials: {
      own: { form: { type: "bearer" }, source: perCustomer("crm") },
      shared: { form: { type: "bearer" }, source: { type: "secret", name: "x" } },
    },
    tools: {
      lookup: {
        kind: "api",
        network: "own",
        allow: [
          { host, methods: ["GET"], path: "/v1/me", credential: "own" },
          { host, methods: ["GET"], path: "/v1/{page}", modelChooses: ["page"], credential: "shared" },
        ],
      },
    },
    sandbox: [{ host, methods: ["GET"], reason: "the status page" }],
  });
  const lock = compile(policy);
  const own = {
    ...binding,
    variables: { session: "s", work: "w", environment: "e" },
    credentials: { own: "of-this-customer", shared: "s2", "session-token": "s3" },
    tickets: { supervisor: ticket("a"), lookup: ticket("b") },
  };
  const { own: _, ...none } = own.credentials;

  test("goes with the requests of its rule", () => {
    const { outcome, rule } = ask(bind(lock, own), "/v1/me", ticket("b"));
    expect(outcome).toEqual({ kind: "credentialed", credentials: ["own"] });
    expect(rule?.transform?.[0]?.headers).toMatchObject({ authorization: "Bearer of-this-customer" });
  });

  test("leaves its rule denied where there is none: no other credential, and not plain", () => {
    const { outcome, rule } = ask(bind(lock, { ...own, credentials: none }), "/v1/me", ticket("b"));
    expect(outcome).toEqual({ kind: "answered", status: 403 });
    expect(rule?.response?.body).toContain("the credential own of the session's customer");
    expect(ask(bind(lock, { ...own, credentials: none }), "/v1/x", ticket("b")).outcome.credentials).toEqual([
      "shared",
    ]);
  });

  test("is missing without letting through any request that was not let through with it, nor another way", () => {
    const [full, bare] = [bind(lock, own), bind(lock, { ...own, credentials: none })];
    const piece = fc.constantFrom("v1", "me", "x", "..", "", "%2e", "me;");
    const odd = fc.array(piece, { maxLength: 3 }).map((pieces) => `/${pieces.join("/")}`);
    const path = fc.oneof(fc.constantFrom("/v1/me", "/v1/me?page=1", "/v1/x"), odd);
    const header = fc.constantFrom(ticket("a"), ticket("b"), "none");
    fc.assert(
      fc.property(path, header, (target, value) => {
        const [before, after] = [ask(full, target, value).outcome, ask(bare, target, value).outcome];
        if (after.kind === "answered" || after.kind === "denied") return;
        expect(after).toEqual(before);
      }),
    );
  });

  test("is not another form of binding: a shared credential that is missing is refused", () => {
    const { shared: _, ...noShared } = own.credentials;
    expect(() => bind(lock, { ...own, credentials: noShared })).toThrow("credentials.shared: is missing");
  });
});
