import { isIP } from "node:net";

/** Whether a text is an address range in CIDR notation, IPv4 or IPv6. */
export function isCidr(text: string): boolean {
  const [, address = "", bits = ""] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(bits) <= (version === 4 ? 32 : 128);
}
