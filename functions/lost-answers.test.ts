/** Calls that took effect and whose answer never came, or that failed after the work was taken. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { cronCall, delivery, deploy, type TestDeployment } from "./testing/control-plane.ts";
import type { Call, TestServer } from "./testing/http.ts";

let d: TestDeployment;
beforeEach(async () => {
  d = await deploy();
});
afterEach(() => d.close());

const started = () => d.plane.webhook(delivery("session.status_run_started"));
const box = () => {
  const found = d.api.sandboxes.get("handrail-sesn_1");
  if (found === undefined) throw new Error("the session has no sandbox");
  return found;
};
const commands = () => [...box().commands.values()];
const removals = () => d.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === "sandbox.removed");

/** Lets the first call of a kind take effect and cuts its answer off. */
function cutFirst(server: TestServer, is: (call: Call) => boolean): void {
  let cut = false;
  server.fault = (call, handle) => {
    if (cut || !is(call)) return undefined;
    cut = true;
    handle();
    return "cut";
  };
}

/** A session whose start was answered only at the second try: two runners, of which the tag names the second. */
async function startTwice(): Promise<void> {
  d.anthropic.addSession("sesn_1");
  cutFirst(d.api, ({ method, path }) => method === "POST" && path.endsWith("/cmd"));
  expect(await (await started()).json()).toMatchObject({ status: "drained", started: 1 });
  expect(box().commands.size).toBe(2);
}

test.each([
  ["lost the lease to the first", 10],
  ["found the first there already", 24],
])("when the answer to a start was lost and the second runner %s, the first lives on", async (_, code) => {
  await startTwice();
  d.api.exit("handrail-sesn_1", code);
  await Promise.all(d.background);
  await d.plane.cron(cronCall());
  await d.plane.webhook(delivery("session.status_idled"));
  expect(box().status).toBe("running");

  // Nor does the next claim of the session cut it.
  d.anthropic.addSession("sesn_1");
  expect(await (await started()).json()).toMatchObject({ left: 1 });
  expect(box().status).toBe("running");
  expect(removals()).toEqual([]);
});

test("when both runners of such a start have ended, the sandbox goes, and the log tells how the serving one ended", async () => {
  await startTwice();
  d.api.exit("handrail-sesn_1", 24);
  const [first] = commands();
  if (first) first.exitCode = 12;
  await d.plane.cron(cronCall());
  expect(d.api.sandboxes.size).toBe(0);
  expect(removals()).toMatchObject([{ level: "warn", exitCode: 12, outcome: "deadline" }]);
});

test("when the list of a machine's commands is refused, nothing is cut and nothing of the answer is logged", async () => {
  await startTwice();
  d.api.exit("handrail-sesn_1", 10);
  d.api.fault = ({ method, path }) =>
    method === "GET" && path.endsWith("/cmd")
      ? { status: 403, body: { error: { code: "forbidden", message: "somebody@people.example may not" } } }
      : undefined;
  await d.plane.cron(cronCall());
  expect(box().status).toBe("running");
  expect(d.lines.join("\n")).toMatch(/sandbox.reap_failed.*it answered 403/);
  expect(d.lines.join("\n")).not.toContain("people.example");
});

const no = { status: 400, body: { error: { code: "bad_request", message: "no" } } };
const minutesOld = (minutes: number) => {
  box().createdAt -= minutes * 60_000;
};

test("a runner whose tag could not be written is not cut by the session's next claim, however old it is", async () => {
  d.anthropic.addSession("sesn_1");
  d.api.fault = ({ method }) => (method === "PATCH" ? no : undefined);
  expect(await (await started()).json()).toMatchObject({ started: 1 });
  d.api.fault = undefined;
  minutesOld(2);
  const before = structuredClone(box());
  d.anthropic.addSession("sesn_1");
  expect(await (await started()).json()).toMatchObject({ started: 0, left: 1 });
  await d.plane.cron(cronCall());
  expect(box()).toEqual(before);

  // Once it has ended the sandbox goes, without a tag too.
  d.api.exit("handrail-sesn_1", 0);
  await d.plane.cron(cronCall());
  expect(d.api.sandboxes.size).toBe(0);
});

test("a tag that is refused once is written at the next try", async () => {
  d.anthropic.addSession("sesn_1");
  let refused = false;
  d.api.fault = ({ method }) => {
    if (refused || method !== "PATCH") return undefined;
    refused = true;
    return no;
  };
  await started();
  expect(box().tags["handrail-runner"]).toBe([...box().commands.keys()][0]);
});

test("a sandbox whose creation was never answered is swept, but not before its claim can have ended", async () => {
  d.anthropic.addSession("sesn_1");
  d.api.fault = ({ method, path }, handle) => {
    if (method !== "POST" || path !== "/v3/sandboxes") return undefined;
    handle();
    return "cut";
  };
  expect((await started()).status).toBe(503);
  d.api.fault = undefined;
  await d.plane.cron(cronCall());
  expect(box().status).toBe("running");
  minutesOld(2);
  await d.plane.cron(cronCall());
  expect(d.api.sandboxes.size).toBe(0);
  expect(removals()).toMatchObject([{ level: "warn", outcome: "no runner was ever started" }]);
});

const isAck = ({ path }: Call) => path.endsWith("/ack");
const conflict = { status: 409, body: { type: "error", error: { type: "conflict_error", message: "acknowledged" } } };

test.each([
  ["was lost", "cut" as const],
  ["was a 502", { status: 502, body: {} }],
])("when the answer to an acknowledgement %s and its repetition says 409, the session is served", async (_, answer) => {
  d.anthropic.addSession("sesn_1");
  d.anthropic.fault = (call, handle) => {
    if (!isAck(call)) return undefined;
    if (d.anthropic.acked.length > 0) return conflict;
    handle();
    return answer;
  };
  expect(await (await started()).json()).toMatchObject({ status: "drained", started: 1 });
  expect(d.anthropic.acked).toEqual(["sesn_1"]);
  expect(box().commands.size).toBe(1);
});

test("an acknowledgement that is 409 at once was somebody else's: no runner starts", async () => {
  d.anthropic.addSession("sesn_1");
  d.anthropic.fault = (call) => (isAck(call) ? conflict : undefined);
  expect((await started()).status).toBe(503);
  expect(d.anthropic.trace().filter((call) => call.endsWith("/ack"))).toHaveLength(1);
  expect(d.api.sandboxes.size).toBe(0);
});

test("an acknowledgement that is never answered is given up after three tries, and no runner starts", async () => {
  d.anthropic.addSession("sesn_1");
  d.anthropic.fault = (call) => (isAck(call) ? "cut" : undefined);
  expect((await started()).status).toBe(503);
  expect(d.anthropic.trace().filter((call) => call.endsWith("/ack"))).toHaveLength(3);
  expect(d.api.sandboxes.size).toBe(0);
});
