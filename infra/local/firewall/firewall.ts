import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { NetworkPolicy, NetworkPolicyRule } from "@vercel/sandbox";
import { type DirectResponse, forward, transformHeaders } from "./apply-rule.ts";
import { readGreeting } from "./client-hello.ts";
import type { DecisionEntry, DecisionLog } from "./decisions.ts";
import { AUTHORITY_MISMATCH, headerPairs, refuse } from "./strict-request.ts";
import { dispatch, refuseWith } from "./upstream.ts";

/** Certificate authority of one sandbox, made for it and thrown away with it. */
export interface Authority {
  caPem: string;
  issue(hostnames: string[]): Promise<{ key: string; cert: string }>;
}

/** The engine's reading of a policy, as `policies/engine/evaluate.ts` exports it. */
export type Evaluate = (policy: NetworkPolicy, request: WireRequest) => RuleDecision;

interface WireRequest {
  method: string;
  host: string;
  target: string;
  headers: ReadonlyArray<readonly [string, string]>;
}

interface RuleDecision {
  outcome: { kind: "denied" | "answered" | "plain" | "credentialed" | "forwarded" };
  domain: string | null;
  index: number | null;
  rule: NetworkPolicyRule | null;
  principal: string | null;
  why: string;
}

export interface FirewallOptions {
  sandbox: string;
  sessionId: string;
  policy: NetworkPolicy;
  authority: Authority;
  /** What a host name means here. The address that a guest connected to is never used. */
  origins: { resolve(host: string): URL | undefined };
  /** PEM certificates that may vouch for an https origin, besides the public ones. */
  trusted: readonly string[];
  evaluate: Evaluate;
  decisions: DecisionLog;
  /** Makes the token of §1.12 for an audience. */
  identify(audience: string): string;
  now(): number;
}

/** The egress firewall of one sandbox. */
export interface Firewall {
  /** Takes over a connection that the sandbox opened to port 443 of any allowed name. */
  accept(socket: Socket): void;
  /**
   * Takes over a connection to port 80: plain HTTP, which only a policy that lets everything through carries, by Host
   * and untouched by any rule. Reset otherwise.
   */
  acceptPlain(socket: Socket): void;
  /** Whether a name resolves under the policy of this moment. */
  resolves(name: string): boolean;
  /** Replaces the policy; open connections that it no longer carries are reset. */
  setPolicy(policy: NetworkPolicy): void;
  /** Resets every connection. */
  close(): void;
}

type Route = { kind: "denied" | "raw" | "terminated"; domain: string | null; why: string };

/** How a live connection was admitted; `host` is its TLS server name, null for plain HTTP, where each request has one. */
interface Admission {
  host: string | null;
  route: Route;
}

const LARGEST_HEAD = 64 * 1024;

/**
 * Makes the firewall of one sandbox: it picks the policy's key by TLS server name, ends TLS where the key has rules,
 * has `evaluate` judge every request and applies the rule's handler. The order of decisions is
 * contracts/vercel-firewall.md §1.16; HTTP/1.1 only, h2 is never offered.
 */
export function createFirewall(options: FirewallOptions): Firewall {
  let policy = options.policy;
  const admitted = new Map<Socket, Admission>();
  const admissions = new WeakMap<Socket, Admission>();
  const waiting = new Set<Socket>();
  const contexts = new Map<string, Promise<SecureContext>>();

  function record(entry: Omit<DecisionEntry, "at" | "sandbox" | "sessionId">): DecisionEntry {
    return options.decisions.add({
      at: options.now(),
      sandbox: options.sandbox,
      sessionId: options.sessionId,
      ...entry,
    });
  }

  function route(host: string | null): Route {
    if (host === null) return plainRoute();
    if (policy === "allow-all") return { kind: "raw", domain: "*", why: "the policy allows everything" };
    if (policy === "deny-all") return { kind: "denied", domain: null, why: "the policy denies everything" };
    const { domain, why } = options.evaluate(policy, { method: "GET", host, target: "/", headers: [["host", host]] });
    if (domain === null) return { kind: "denied", domain: null, why };
    const rules = Array.isArray(policy.allow) ? [] : (policy.allow?.[domain] ?? []);
    return { kind: rules.length === 0 ? "raw" : "terminated", domain, why: `allowed by ${domain}` };
  }

  /** Plain HTTP names no host that could be trusted: contracts/vercel-firewall.md §1.9, §1.16. */
  function plainRoute(): Route {
    const open = policy === "allow-all" || (policy !== "deny-all" && hasKeyForAll(policy.allow));
    if (!open) return { kind: "denied", domain: null, why: "plain HTTP needs allow-all or a * key" };
    return { kind: "raw", domain: "*", why: "the policy lets everything through" };
  }

  function contextFor(host: string): Promise<SecureContext> {
    const known = contexts.get(host);
    if (known) return known;
    const made = options.authority.issue([host]).then(({ key, cert }) => createSecureContext({ key, cert }));
    contexts.set(host, made);
    return made;
  }

  async function admit(socket: Socket, host: string): Promise<void> {
    const way = route(host);
    const connection = { kind: "connection" as const, host, domain: way.domain, rule: null, principal: null };
    if (way.kind === "denied") {
      record({ ...connection, outcome: "denied", why: way.why });
      return void socket.resetAndDestroy();
    }
    admitted.set(socket, { host, route: way });
    const origin = options.origins.resolve(host);
    if (way.kind === "raw" && !origin) {
      record({ ...connection, outcome: "refused", why: `no origin is registered for ${host}` });
      return void socket.resetAndDestroy();
    }
    if (way.kind === "raw" && origin?.protocol === "https:") {
      record({ ...connection, outcome: "plain", why: `${way.why}, TLS not ended` });
      return pipeThrough(socket, origin);
    }
    const secureContext = await contextFor(host);
    if (socket.destroyed) return;
    const tls = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ["http/1.1"] });
    tls.on("error", () => tls.destroy());
    admissions.set(tls, { host, route: way });
    http.emit("connection", tls);
  }

  const http = createServer(
    { insecureHTTPParser: false, maxHeaderSize: LARGEST_HEAD, requestTimeout: 0 },
    (request, answer) => judge(request, answer).catch(() => answer.destroy()),
  );
  http.keepAliveTimeout = 60_000;
  http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const admission = admissions.get(socket as Socket);
    if (admission && error.code?.startsWith("HPE_"))
      record({ ...about(admission), outcome: "refused", status: 400, why: `not strict HTTP/1.1 (${error.code})` });
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    else socket.destroy();
  });
  http.on("connect", (_request, socket) => {
    const admission = admissions.get(socket as Socket);
    if (admission) record({ ...about(admission), outcome: "refused", status: 400, why: "CONNECT is not supported" });
    socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  });

  async function judge(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const admission = admissions.get(request.socket);
    if (!admission) return void answer.destroy();
    const { route: way } = admission;
    const host = admission.host ?? plainHost(request);
    const method = request.method ?? "";
    const target = request.url ?? "";
    const asked = { ...about({ host, route: way }), method, path: pathOf(target) };
    const refusal = refuse(request, way.kind === "raw" ? null : host);
    if (refusal) {
      record({ ...asked, outcome: "refused", status: refusal.status, why: refusal.why });
      const text = refusal.why === AUTHORITY_MISMATCH ? `Forbidden: ${AUTHORITY_MISMATCH}` : refusal.why;
      return refuseWith(answer, refusal.status, text);
    }
    const headers = headerPairs(request);
    if (way.kind === "raw") {
      const how =
        admission.host === null ? "no rule applies to plain HTTP" : "the firewall stands for the origin's TLS";
      const entry = record({ ...asked, outcome: "plain", why: `${way.why}; ${how}` });
      entry.status = await send(request, answer, host, target, headers);
      return;
    }
    const decision = options.evaluate(policy, { method, host, target, headers });
    const entry = record({
      ...asked,
      outcome: decision.outcome.kind,
      domain: decision.domain,
      rule: decision.index,
      principal: decision.principal,
      why: decision.why,
    });
    const rule = decision.rule;
    if (decision.domain === null) return void request.socket.destroy();
    if (rule?.response) {
      entry.status = rule.response.statusCode;
      return respond(request, answer, rule.response);
    }
    if (rule?.forwardURL !== undefined) {
      const forwarding = forward(rule.forwardURL, { host, target, headers }, options.identify);
      entry.status = await send(request, answer, forwarding.url.hostname, forwarding.target, forwarding.headers);
      return;
    }
    entry.status = await send(request, answer, host, target, transformHeaders(rule, headers));
  }

  async function send(
    request: IncomingMessage,
    answer: ServerResponse,
    host: string,
    target: string,
    headers: ReadonlyArray<readonly [string, string]>,
  ): Promise<number> {
    const origin = options.origins.resolve(host);
    if (origin) return dispatch(request, answer, { origin, serverName: host, target, headers }, options.trusted);
    refuseWith(answer, 502, `no origin is registered for ${host}: declare it with POST /console/origins {host, url}`);
    return 502;
  }

  function take(socket: Socket): void {
    waiting.add(socket);
    socket.on("close", () => {
      waiting.delete(socket);
      admitted.delete(socket);
    });
    socket.on("error", () => socket.destroy());
  }

  return {
    accept(socket) {
      take(socket);
      greet(socket, (greeting) => {
        waiting.delete(socket);
        if (greeting.kind === "tls" && greeting.serverName !== null) {
          admit(socket, greeting.serverName).catch(() => socket.destroy());
          return;
        }
        const why = greeting.kind === "other" ? greeting.why : "no server name in the TLS greeting";
        record({ kind: "connection", host: null, domain: null, rule: null, principal: null, outcome: "denied", why });
        socket.resetAndDestroy();
      });
    },
    acceptPlain(socket) {
      take(socket);
      socket.once("data", (bytes) => {
        waiting.delete(socket);
        const admission = { host: null, route: plainRoute() };
        if (admission.route.kind === "denied") {
          record({ ...about(admission), kind: "connection", outcome: "denied", why: admission.route.why });
          return void socket.resetAndDestroy();
        }
        admitted.set(socket, admission);
        admissions.set(socket, admission);
        socket.pause();
        socket.unshift(bytes);
        http.emit("connection", socket);
        socket.resume();
      });
    },
    resolves(name) {
      const way = route(name);
      const asked = { kind: "name" as const, host: name, domain: way.domain, rule: null, principal: null };
      record({ ...asked, outcome: way.kind === "denied" ? "denied" : "resolved", why: way.why });
      return way.kind !== "denied";
    },
    setPolicy(next) {
      policy = next;
      for (const [socket, { host, route: before }] of admitted) {
        const after = route(host);
        if (after.kind !== before.kind) socket.resetAndDestroy();
      }
    },
    close() {
      for (const socket of [...waiting, ...admitted.keys()]) socket.resetAndDestroy();
    },
  };
}

function about({ host, route }: Admission) {
  return { kind: "request" as const, host, domain: route.domain, rule: null, principal: null };
}

function hasKeyForAll(allow: Exclude<NetworkPolicy, string>["allow"]): boolean {
  return Array.isArray(allow) ? allow.includes("*") : Object.hasOwn(allow ?? {}, "*");
}

function plainHost(request: IncomingMessage): string {
  return (request.headers.host ?? "").toLowerCase().replace(/:80$/, "");
}

function pathOf(target: string): string {
  return target.split("?", 1)[0] ?? "";
}

/** Reads until the greeting is whole, and puts the bytes back for whoever takes the connection over. */
function greet(
  socket: Socket,
  done: (greeting: Exclude<ReturnType<typeof readGreeting>, { kind: "incomplete" }>) => void,
) {
  let bytes = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    const greeting = readGreeting(bytes);
    if (greeting.kind === "incomplete") return;
    socket.off("data", onData);
    socket.pause();
    socket.unshift(bytes);
    done(greeting);
  };
  socket.on("data", onData);
}

function pipeThrough(socket: Socket, origin: URL): void {
  const upstream = connect(Number(origin.port || 443), origin.hostname.replace(/^\[|\]$/g, ""));
  upstream.on("error", () => socket.destroy());
  upstream.on("close", () => socket.destroy());
  socket.on("close", () => upstream.destroy());
  socket.pipe(upstream);
  upstream.pipe(socket);
}

function respond(request: IncomingMessage, answer: ServerResponse, response: DirectResponse): void {
  request.resume();
  const body = response.body ?? "";
  answer.sendDate = false;
  answer.writeHead(response.statusCode, {
    ...response.headers,
    ...(response.contentType !== undefined && { "content-type": response.contentType }),
    ...(bodyAllowed(response.statusCode) && { "content-length": Buffer.byteLength(body) }),
  });
  answer.end(bodyAllowed(response.statusCode) ? body : undefined);
}

function bodyAllowed(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304;
}
