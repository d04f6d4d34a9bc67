import { isIP } from "node:net";
import { getDomain, getPublicSuffix } from "tldts";
import { isWildcard } from "./wildcard.ts";

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * What is wrong with a host pattern, and the fix; null when it can be a key of the firewall.
 *
 * @param anyHost whether `*` is asked for as unsafe.
 */
export function hostProblem(host: string, anyHost = false): { problem: string; fix: string } | null {
  const refuse = (problem: string, fix: string) => ({ problem: `${JSON.stringify(host)} ${problem}`, fix });
  if (anyHost) return host === "*" ? null : refuse("is not `*`", "Remove `unsafe.anyHost`");
  if (host === "*") {
    return refuse(
      "lets everything through, TLS or not",
      "Name the hosts, or write `unsafe: { anyHost: true, reason }`",
    );
  }
  if (host.includes("://")) return refuse("has a scheme", "Write the host name alone; requests are always HTTPS");
  if (isIP(host.replace(/^\[|\]$/g, "")) || /(?:^|\.)(?:\d+|0x[\da-f]*)$/.test(host)) {
    return refuse("is an IP address, which the firewall cannot tell by server name", "Write a host name");
  }
  if (/:\d*$/.test(host)) return refuse("has a port", "Leave the port out; the firewall knows none");
  if (host.includes("/")) return refuse("has a path", "Put the path into `path`");
  if (host !== host.toLowerCase())
    return refuse("has upper-case letters", `Write ${JSON.stringify(host.toLowerCase())}`);
  if (host.endsWith(".")) return refuse("ends with a dot", `Write ${JSON.stringify(host.slice(0, -1))}`);
  const name = isWildcard(host) ? host.slice(2) : host;
  if (name.includes("*")) {
    return refuse("has a wildcard that is not the whole first label", "Use an exact name, or a leading `*.`");
  }
  const labels = name.split(".");
  if (name.length > 253 || labels.length < 2 || !labels.every((label) => LABEL.test(label))) {
    return refuse("is not a fully qualified host name", "Write one like `api.example.com`, in ASCII (punycode)");
  }
  // Below a public suffix strangers register names; the private section lists hosting platforms (github.io, vercel.app).
  if (isWildcard(host) && isPublicSuffix(name)) {
    return refuse("lets in every name that strangers register below it", "Name the hosts");
  }
  return null;
}

/** Whether a host stands below a name under which a platform lets anybody take names (`acme.vercel.app`). */
export function isOnHostingPlatform(host: string): boolean {
  return getPublicSuffix(host, { allowPrivateDomains: true }) !== getPublicSuffix(host, { allowPrivateDomains: false });
}

function isPublicSuffix(name: string): boolean {
  const options = { allowPrivateDomains: true };
  // `example` as in `*.example` is no listed suffix, yet nobody owns a whole top level either.
  return getPublicSuffix(name, options) === name || getDomain(name, options) === null;
}
