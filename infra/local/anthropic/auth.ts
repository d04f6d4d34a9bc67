/** Credentials by class, and who may call what (`contracts` §2, §4, §7). */

import { ApiError } from "./errors.ts";
import type { Ids } from "./ids.ts";
import type { Knobs } from "./knobs.ts";
import type { WorkItem } from "./work-item.ts";

export type CredentialClass = "apiKey" | "environmentKey" | "sessionsToken";

/** Who a request's credential stands for. */
export type Principal =
  | { class: "apiKey" }
  | { class: "environmentKey"; environmentId: string; keyId: string }
  | { class: "sessionsToken"; item: WorkItem; claim: number };

/** What a request is about; a credential of another environment, session or item is as good as none. */
export interface Scope {
  environmentId?: string;
  sessionId?: string;
  workId?: string;
}

export interface EnvironmentKey {
  id: string;
  environmentId: string;
  createdAt: number;
}

const unauthenticated = () => new ApiError(401, "Invalid authentication credentials");

export class Credentials {
  readonly #apiKey: string;
  readonly #ids: Ids;
  readonly #knobs: Knobs;
  readonly #environmentKeys = new Map<string, EnvironmentKey>();
  readonly #sessionsTokens = new Map<string, { item: WorkItem; claim: number }>();

  constructor(o: { apiKey: string; ids: Ids; knobs: Knobs }) {
    this.#apiKey = o.apiKey;
    this.#ids = o.ids;
    this.#knobs = o.knobs;
  }

  /** A new key of an environment; earlier ones stay valid, so that keys can be rotated. */
  mintEnvironmentKey(environmentId: string, now: number): EnvironmentKey & { key: string } {
    const key = this.#ids.secret("sk-ant-oat01-", 48);
    const record = { id: this.#ids.next("key"), environmentId, createdAt: now };
    this.#environmentKeys.set(key, record);
    return { ...record, key };
  }

  environmentKeys(environmentId: string): EnvironmentKey[] {
    return [...this.#environmentKeys.values()].filter((key) => key.environmentId === environmentId);
  }

  /** Ends a key at once. @returns false when the environment has no such key. */
  revokeEnvironmentKey(environmentId: string, keyId: string): boolean {
    for (const [key, record] of this.#environmentKeys) {
      if (record.environmentId === environmentId && record.id === keyId) return this.#environmentKeys.delete(key);
    }
    return false;
  }

  /** The token of one claim of a work item. */
  issueSessionsToken(item: WorkItem): string {
    const token = this.#ids.secret("sk-ant-req-", 48);
    this.#sessionsTokens.set(token, { item, claim: item.claims });
    return token;
  }

  /**
   * Reads the credential of a request: any class as Bearer, an API key also as `x-api-key`.
   *
   * @returns null when there is none, undefined when it is unknown, revoked or ended.
   */
  identify(headers: {
    authorization?: string | undefined;
    xApiKey?: string | undefined;
  }): Principal | null | undefined {
    if (headers.authorization === undefined) {
      if (headers.xApiKey === undefined) return null;
      return headers.xApiKey === this.#apiKey ? { class: "apiKey" } : undefined;
    }
    const token = /^Bearer +(\S+)$/i.exec(headers.authorization)?.[1];
    if (token === undefined) return undefined;
    if (token === this.#apiKey) return { class: "apiKey" };
    const key = this.#environmentKeys.get(token);
    if (key) return { class: "environmentKey", environmentId: key.environmentId, keyId: key.id };
    const claim = this.#sessionsTokens.get(token);
    return claim && this.#lives(claim) ? { class: "sessionsToken", ...claim } : undefined;
  }

  /**
   * A stopped item's token can still learn that its own item stopped (heartbeat, stop), until a newer item takes its
   * place; {@link authorize} keeps it from everything else.
   */
  #lives({ item, claim }: { item: WorkItem; claim: number }): boolean {
    if (this.#knobs.sessionsTokenDies === "never") return true;
    if (item.replaced) return false;
    return this.#knobs.sessionsTokenDies === "stop" || claim === item.claims;
  }

  /**
   * @param allow the classes that the route accepts.
   * @param scope what the route is about, as far as it is known.
   * @throws ApiError 401 without a valid credential of this scope; 403 (or 401, by knob) for another class.
   */
  authorize(principal: Principal | null | undefined, allow: readonly CredentialClass[], scope: Scope = {}): void {
    if (principal === null) {
      throw new ApiError(401, "Missing authentication credentials; send `Authorization: Bearer` or `x-api-key`");
    }
    if (principal === undefined) throw unauthenticated();
    if (!allow.includes(principal.class)) {
      if (this.#knobs.wrongClassStatus === 401) throw unauthenticated();
      throw new ApiError(403, "This credential is not allowed to use this endpoint");
    }
    if (principal.class === "environmentKey") {
      if (scope.environmentId !== undefined && scope.environmentId !== principal.environmentId) throw unauthenticated();
    } else if (principal.class === "sessionsToken") {
      const { item } = principal;
      const ended = item.state === "stopped" && this.#knobs.sessionsTokenDies !== "never";
      if (scope.workId === undefined ? ended : scope.workId !== item.id) throw unauthenticated();
      if (scope.environmentId !== undefined && scope.environmentId !== item.environmentId) throw unauthenticated();
      if (scope.sessionId !== undefined && scope.sessionId !== item.data.id) throw unauthenticated();
    }
  }
}
