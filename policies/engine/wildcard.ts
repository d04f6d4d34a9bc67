/** Whether a host pattern is a leading wildcard: any depth of subdomains, not the name itself. */
export function isWildcard(host: string): boolean {
  return host.startsWith("*.");
}

/** Whether a host pattern is one name, so that `Host` can be pinned to it. */
export function isExactHost(host: string): boolean {
  return !host.includes("*");
}

/** Whether some name matches both patterns. Which of them the firewall would then choose is not documented (§1.6). */
export function hostsOverlap(a: string, b: string): boolean {
  if (a === b || a === "*" || b === "*") return true;
  const under = (name: string, wildcard: string) => isWildcard(wildcard) && name.endsWith(wildcard.slice(1));
  return under(a, b) || under(b, a);
}
