/** What a host name means on this machine: the table that the local firewall resolves names with. */

/** Lower-case DNS name of at least two labels: no port, no scheme, no IP address, no wildcard. */
export const HOST_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Maps a host name to the server on this machine that answers for it, e.g. `api.crm.example` to
 * `https://127.0.0.1:40123`. Nothing in the local cloud resolves real names: a host without an origin does not exist.
 */
export class OriginRegistry {
  readonly #origins = new Map<string, URL>();

  /**
   * Declares or replaces the origin of `host`.
   *
   * @throws TypeError when `host` is not a plain DNS name or `url` is not an http(s) origin without a path.
   */
  set(host: string, url: string): void {
    const name = host.toLowerCase();
    if (!HOST_NAME.test(name)) {
      throw new TypeError(
        `"${host}" is not a host name; give a DNS name such as api.crm.example, without scheme or port`,
      );
    }
    const origin = URL.canParse(url) ? new URL(url) : undefined;
    if (!origin || !/^https?:$/.test(origin.protocol) || origin.pathname !== "/" || origin.search || origin.username) {
      throw new TypeError(`"${url}" is not an origin; give http(s)://host:port without a path, for ${name}`);
    }
    this.#origins.set(name, origin);
  }

  /** The origin of `host` (any case), or undefined: to the local firewall the name then does not resolve. */
  resolve(host: string): URL | undefined {
    return this.#origins.get(host.toLowerCase());
  }

  /** Every declared host with its origin, in the order of declaration. */
  list(): { host: string; url: string }[] {
    return [...this.#origins].map(([host, url]) => ({ host, url: url.origin }));
  }
}
