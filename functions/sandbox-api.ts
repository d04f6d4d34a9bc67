/** The seam to another sandbox API: the SDK's base URL is fixed, its `fetch` option is not. */

/** The base URL that the SDK prefixes to every path (contracts/vercel-sandbox-api.md §2.1). */
const SDK_BASE_URL = "https://vercel.com/api";

/**
 * A fetch that sends the SDK's calls to another base URL and leaves everything else of them alone, the SDK's
 * dispatcher and signal included. Handles that come out of a call made with it use it too.
 *
 * @throws Error on a URL that is not the SDK's: sending that somewhere else would be a guess
 */
export function sandboxApiFetch(baseUrl: string, fetch: typeof globalThis.fetch = globalThis.fetch): typeof fetch {
  const base = baseUrl.replace(/\/+$/, "");
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    if (!url.startsWith(`${SDK_BASE_URL}/`)) {
      throw new Error(`${base} stands for ${SDK_BASE_URL}, and the sandbox SDK called ${new URL(url).origin}`);
    }
    return fetch(base + url.slice(SDK_BASE_URL.length), init);
  };
}
