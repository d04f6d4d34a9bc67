import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HttpsOrigins, startHttpsOrigins } from "../testing/https-origins.ts";
import { type BrokeredFetch, createBrokeredFetch, type OutboundRequest } from "./brokered-fetch.ts";

const TICKET = "0123456789abcdef0123456789abcdef";
const API = "https://api.crm.example";

let origins: HttpsOrigins;
let asked: OutboundRequest[];
let fetch: BrokeredFetch;

beforeEach(async () => {
  asked = [];
  origins = await startHttpsOrigins({
    "api.crm.example": ({ target }, response) => {
      const to = /^\/to\/(\d+)\/(.*)$/.exec(target);
      if (to) response.writeHead(Number(to[1]), { location: decodeURIComponent(to[2] ?? "") }).end("moved");
      else response.end(`crm ${target}`);
    },
    "other.example": ({ target }, response) => {
      if (target === "/back") response.writeHead(302, { location: `${API}/v1/customers/c1` }).end();
      else response.end("other");
    },
  });
  fetch = createBrokeredFetch({
    ticket: TICKET,
    deserves: (request) => {
      asked.push(request);
      return request.target.startsWith("/v1/customers/c1") || request.target.startsWith("/to/");
    },
    dispatcher: origins.dispatcher,
  });
});

afterEach(() => origins.close());

const via = (status: number, location: string) => `${API}/to/${status}/${encodeURIComponent(location)}`;
const tickets = () => origins.received.map(({ headers }) => headers["x-handrail-principal"]);

describe("the ticket", () => {
  test("goes with a request that the principal has a rule for", async () => {
    const response = await fetch(`${API}/v1/customers/c1`);
    expect(await response.text()).toBe("crm /v1/customers/c1");
    expect(tickets()).toEqual([TICKET]);
  });

  test("stays at home for every other request, which is still sent for the firewall to judge", async () => {
    expect((await fetch(`${API}/v1/customers/c2`)).status).toBe(200);
    expect((await fetch("https://other.example/v1/orders")).status).toBe(200);
    expect(tickets()).toEqual([undefined, undefined]);
  });

  test("is judged on the bytes that are sent, not on those that were asked for", async () => {
    await fetch(`${API}/v1/orders/../customers/c1?a=b%20c`);
    await fetch(`${API}/v1/customers/c2/%2e%2e/c1x/..`);
    expect(asked.map(({ target }) => target)).toEqual(origins.received.map(({ target }) => target));
    expect(asked[0]).toMatchObject({ method: "GET", host: "api.crm.example", target: "/v1/customers/c1?a=b%20c" });
    expect(asked[0]?.headers).toContainEqual(["host", "api.crm.example"]);
  });

  test("is never the caller's: one that a tool sets is taken off, and so is a lying Host", async () => {
    await fetch("https://other.example/", {
      headers: { "X-Handrail-Principal": "f".repeat(32), host: "api.crm.example" },
    });
    expect(tickets()).toEqual([undefined]);
    expect(origins.received[0]?.headers.host).toBe("other.example");
  });

  test("is not spent over plain HTTP or on another port", async () => {
    const spent: OutboundRequest[] = [];
    const deserves = (request: OutboundRequest) => spent.push(request) > 0;
    const eager = createBrokeredFetch({ ticket: TICKET, deserves, dispatcher: origins.dispatcher });
    await expect(eager("http://api.crm.example/v1/customers/c1")).rejects.toThrow(/failed/);
    await (await eager("https://api.crm.example:8443/v1/customers/c1")).text();
    expect(tickets()).toEqual([undefined]);
    expect(spent).toEqual([]);
  });

  test("shows in no error", async () => {
    const failing = createBrokeredFetch({ ticket: TICKET, deserves: () => true, dispatcher: origins.dispatcher });
    const error = await failing("https://unknown.example/secret?q=1").then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
    expect(error?.message).toMatch(/^GET https:\/\/unknown\.example\/secret failed: /);
    expect(JSON.stringify([error?.message, error?.stack, error?.cause])).not.toContain(TICKET);
    expect(error?.cause).toBeUndefined();
  });
});

describe("redirects", () => {
  test.each([301, 302, 303, 307, 308])(
    "a %d to another origin takes neither ticket nor credentials along",
    async (status) => {
      const response = await fetch(via(status, "https://other.example/landing"), {
        headers: {
          authorization: "Bearer a",
          cookie: "a=b",
          "proxy-authorization": "c",
          "x-api-key": "d",
          accept: "e",
        },
      });
      expect(await response.text()).toBe("other");
      expect(tickets()).toEqual([TICKET, undefined]);
      const { headers } = origins.received[1] ?? { headers: {} };
      expect(headers).toMatchObject({ accept: "e" });
      for (const name of ["authorization", "cookie", "proxy-authorization", "x-api-key"])
        expect(headers).not.toHaveProperty(name);
    },
  );

  test("a chain that comes back does not get the ticket again", async () => {
    const response = await fetch(via(302, "https://other.example/back"));
    expect(await response.text()).toBe("crm /v1/customers/c1");
    expect(tickets()).toEqual([TICKET, undefined, undefined]);
  });

  test("a hop within the origin gets it only where the principal has a rule", async () => {
    await fetch(via(302, "/v1/customers/c1"));
    await fetch(via(302, "/v1/customers/c2"));
    expect(tickets()).toEqual([TICKET, TICKET, TICKET, undefined]);
  });

  test.each([
    [301, "GET", ""],
    [302, "GET", ""],
    [303, "GET", ""],
    [307, "POST", "note"],
    [308, "POST", "note"],
  ])("a POST that is answered %d goes on as %s", async (status, method, body) => {
    const response = await fetch(via(status, "/landing"), {
      method: "POST",
      body: "note",
      headers: { "content-type": "text/plain" },
    });
    await response.text();
    expect(origins.received[1]).toMatchObject({ method, body });
    expect(origins.received[1]?.headers["content-type"]).toBe(method === "GET" ? undefined : "text/plain");
  });

  test("to plain HTTP are refused", async () => {
    await expect(fetch(via(302, "http://other.example/"))).rejects.toThrow(/not HTTPS/);
    expect(origins.received).toHaveLength(1);
  });

  test("do not go on for ever", async () => {
    let location = "/v1/customers/c1";
    for (let i = 0; i < 7; i++) location = `/to/302/${encodeURIComponent(location)}`;
    await expect(fetch(`${API}${location}`)).rejects.toThrow(/more than 5 redirects/);
    expect(origins.received).toHaveLength(6);
  });

  test("are left to the caller who asked for that", async () => {
    const response = await fetch(via(302, "/landing"), { redirect: "manual" });
    expect([response.status, response.headers.get("location")]).toEqual([302, "/landing"]);
    await expect(fetch(via(302, "/landing"), { redirect: "error" })).rejects.toThrow(/not allowed/);
    expect(origins.received).toHaveLength(2);
  });
});

test("a Request, whose headers somebody else could have made, is refused", async () => {
  await expect(fetch(new Request(`${API}/v1/customers/c1`) as unknown as string)).rejects.toThrow(TypeError);
  expect(origins.received).toEqual([]);
});

test("an aborted request ends with the caller's reason", async () => {
  await expect(fetch(API, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});
