/** Who asked for what: kept for proofs. It names the class of a credential and never holds one. */
import type { Principal } from "./auth.ts";

export interface LoggedRequest {
  /** RFC 3339. */
  at: string;
  method: string;
  /** Path and query exactly as they were sent, `%2e` and `//` included. */
  target: string;
  host: string;
  /** 0 when a fault hung up instead of answering. */
  status: number;
  /** `none`: no credential was sent. `unknown`: one that this server never issued, or that has ended. */
  credential: "apiKey" | "environmentKey" | "sessionsToken" | "none" | "unknown";
  /** Whose token it was, for sessions tokens. */
  sessionId?: string;
  environmentId?: string;
  /** Names of the request's headers, lower case, without values. */
  headers: string[];
  tls: boolean;
}

const KEPT = 10_000;

export class RequestLog {
  readonly #entries: LoggedRequest[] = [];

  add(entry: LoggedRequest): void {
    this.#entries.push(entry);
    if (this.#entries.length > KEPT) this.#entries.shift();
  }

  list(): readonly LoggedRequest[] {
    return this.#entries;
  }

  clear(): void {
    this.#entries.length = 0;
  }
}

/** The log's view of a principal. */
export function describePrincipal(
  principal: Principal | null | undefined,
): Pick<LoggedRequest, "credential" | "sessionId" | "environmentId"> {
  if (principal === null) return { credential: "none" };
  if (principal === undefined) return { credential: "unknown" };
  if (principal.class === "apiKey") return { credential: "apiKey" };
  if (principal.class === "environmentKey") {
    return { credential: "environmentKey", environmentId: principal.environmentId };
  }
  const { environmentId, data } = principal.item;
  return { credential: "sessionsToken", environmentId, sessionId: data.id };
}
