/** Whether a host pattern is a leading wildcard: any depth of subdomains, not the name itself. */
export function isWildcard(host: string): boolean {
  return host.startsWith("*.");
}

/** Whether some name matches both patterns. Which of them the firewall would then choose is not documented (§1.6). */
export function hostsOverlap(a: string, b: string): boolean {
  if (a === b) return true;
  const under = (name: string, wildcard: string) => isWildcard(wildcard) && name.endsWith(wildcard.slice(1));
  return under(a, b) || under(b, a);
}
