/** A host that does not answer within this time, in ms, is taken for out of reach: seconds, not minutes. */
const PROBE_TIMEOUT_MS = 5_000;

/**
 * Whether something can be downloaded from here, found out without downloading it.
 *
 * @param {string} url
 * @returns {Promise<string | undefined>} why not; undefined when it can.
 */
export async function isReachable(url) {
  try {
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    return response.ok ? undefined : `${new URL(url).host} answers ${response.status}`;
  } catch (error) {
    const { name, cause } = /** @type {Error & { cause?: { code?: string } }} */ (error);
    const reason = name === "TimeoutError" ? `no answer in ${PROBE_TIMEOUT_MS / 1000} s` : (cause?.code ?? name);
    return `${new URL(url).host}: ${reason}`;
  }
}
