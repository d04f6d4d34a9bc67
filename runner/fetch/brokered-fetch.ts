/**
 * A `fetch` that acts for one principal.
 *
 * The ticket that makes the firewall inject a credential is added below this function, in the dispatcher, so that
 * neither the request that a tool builds nor the response that it gets ever holds it. It is added only to a request for
 * which this principal has a rule of its own, judged on the bytes that will be sent. Redirects are followed here, one
 * decision a hop, because `fetch` itself drops `authorization` across origins but knows nothing of the ticket.
 */
import { Agent, type Dispatcher, fetch as undiciFetch } from "undici";
import { TICKET_HEADER } from "../../policies/engine/ticket.ts";
import { redirectedRequest } from "./redirect.ts";

/** What a request may carry. Bodies are whole, so that they can be sent again where a redirect asks for it. */
export interface BrokeredInit {
  readonly method?: string | undefined;
  readonly headers?: Iterable<readonly [string, string]> | Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array<ArrayBuffer> | null | undefined;
  readonly signal?: AbortSignal | null | undefined;
  /** `follow` (default): at most five hops. `manual`: the 3xx answer itself. `error`: refuse. */
  readonly redirect?: "follow" | "manual" | "error" | undefined;
}

/** The part of `fetch` that tools use: a URL, not a `Request`. */
export type BrokeredFetch = (url: string | URL, init?: BrokeredInit) => Promise<Response>;

/** A request as it will be on the wire, for the decision (the engine's `WireRequest`). */
export interface OutboundRequest {
  readonly method: string;
  /** Host name without port: the SNI. */
  readonly host: string;
  /** Raw request target: path and query. */
  readonly target: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
}

/** What {@link createBrokeredFetch} needs. */
export interface BrokeredFetchOptions {
  /** The principal's ticket; undefined for a principal that was given none, which then never spends one. */
  readonly ticket: string | undefined;
  /** Whether this principal has a rule of its own for exactly this request. Asked with the ticket in the headers. */
  readonly deserves: (request: OutboundRequest) => boolean;
  /** Connections. Each principal has its own, so that none shares a connection with another. Default: a new agent. */
  readonly dispatcher?: Dispatcher;
}

const MAX_HOPS = 5;

/** Makes the `fetch` of one principal. */
export function createBrokeredFetch({ ticket, deserves, dispatcher }: BrokeredFetchOptions): BrokeredFetch {
  const connections = dispatcher ?? new Agent();
  const bare = connections.compose(brokering(undefined, deserves));
  const ticketed = connections.compose(brokering(ticket, deserves));

  return async (input, init = {}) => {
    const { redirect = "follow", signal } = init;
    let url = httpUrl(input);
    let request = {
      method: (init.method ?? "GET").toUpperCase(),
      headers: new Headers(init.headers as ConstructorParameters<typeof Headers>[0]),
      body: init.body ?? null,
    };
    // Once a redirect has left the origin, no later hop spends the ticket, not even one that comes back.
    let leftOrigin = false;
    for (let hop = 0; ; hop++) {
      const response = await send(url, { ...request, signal: signal ?? null }, leftOrigin ? bare : ticketed);
      const location = redirectTarget(response, url);
      if (location === undefined || redirect === "manual") return response;
      await response.body?.cancel();
      if (redirect === "error")
        throw new Error(`${describe(request.method, url)} was redirected, which is not allowed`);
      if (hop === MAX_HOPS) throw new Error(`${describe(request.method, url)}: more than ${MAX_HOPS} redirects`);
      if (url.protocol === "https:" && location.protocol !== "https:") {
        throw new Error(`${describe(request.method, url)} was redirected to ${location.origin}, which is not HTTPS`);
      }
      const crossOrigin = location.origin !== url.origin;
      leftOrigin ||= crossOrigin;
      request = redirectedRequest(request, response.status, crossOrigin);
      url = location;
    }
  };
}

/** The interceptor below `fetch`: takes off a ticket that came from above, and puts this principal's on. */
function brokering(
  ticket: string | undefined,
  deserves: BrokeredFetchOptions["deserves"],
): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    const origin = new URL(`${options.origin}`);
    // `host` too: undici derives it from the origin, and a rule pins it.
    const headers = headerPairs(options.headers).filter(([name]) => name !== TICKET_HEADER && name !== "host");
    if (ticket !== undefined && origin.protocol === "https:" && origin.port === "") {
      const withTicket: [string, string][] = [...headers, [TICKET_HEADER, ticket]];
      const wire: OutboundRequest = {
        method: options.method,
        host: origin.hostname,
        target: options.path,
        headers: [["host", origin.host], ...withTicket],
      };
      if (deserves(wire)) return dispatch({ ...options, headers: withTicket.flat() }, handler);
    }
    return dispatch({ ...options, headers: headers.flat() }, handler);
  };
}

async function send(
  url: URL,
  request: { method: string; headers: Headers; body: BrokeredInit["body"]; signal: AbortSignal | null },
  dispatcher: Dispatcher,
): Promise<Response> {
  try {
    const response = await undiciFetch(url.href, {
      method: request.method,
      headers: [...request.headers],
      body: request.body ?? null,
      signal: request.signal,
      redirect: "manual",
      dispatcher,
    });
    return response as unknown as Response;
  } catch (error) {
    if (request.signal?.aborted) throw error;
    // A new error without the old one as its cause: what undici attaches may hold the request with all its headers.
    throw new Error(`${describe(request.method, url)} failed: ${reason(error)}`);
  }
}

function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return "unknown error";
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return "the name does not resolve; the network policy may not allow it";
  return cause.message || code || cause.name;
}

function redirectTarget(response: Response, from: URL): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(response.status)) return undefined;
  const location = response.headers.get("location");
  if (location === null || !URL.canParse(location, from.href)) return undefined;
  const target = new URL(location, from.href);
  return target.protocol === "https:" || target.protocol === "http:" ? target : undefined;
}

function httpUrl(input: string | URL): URL {
  if (typeof input !== "string" && !(input instanceof URL)) {
    throw new TypeError("fetch of a tool takes a string or a URL, not a Request");
  }
  const url = new URL(input);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new TypeError(`cannot fetch ${url.protocol} URLs`);
  return url;
}

/** Method, origin and path; a query may hold what does not belong into a log. */
function describe(method: string, url: URL): string {
  return `${method} ${url.origin}${url.pathname}`;
}

function headerPairs(headers: Dispatcher.DispatchOptions["headers"]): [string, string][] {
  if (headers === undefined || headers === null) return [];
  const pairs: [string, string][] = [];
  const add = (name: string, value: string | string[] | undefined) => {
    if (value !== undefined) pairs.push([name.toLowerCase(), Array.isArray(value) ? value.join(", ") : value]);
  };
  if (Array.isArray(headers)) {
    for (let i = 0; i + 1 < headers.length; i += 2) add(String(headers[i]), headers[i + 1]);
  } else if (Symbol.iterator in headers) {
    for (const [name, value] of headers) add(name, value);
  } else {
    for (const [name, value] of Object.entries(headers)) add(name, value);
  }
  return pairs;
}
