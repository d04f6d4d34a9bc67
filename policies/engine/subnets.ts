import { BlockList, isIP } from "node:net";

/** Whether a text is an address range in CIDR notation, IPv4 or IPv6. */
export function isCidr(text: string): boolean {
  const [, address = "", bits = ""] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(bits) <= (version === 4 ? 32 : 128);
}

/** Whether a range (checked by {@link isCidr}) has an address. */
export function isWithin(address: string, range: string): boolean {
  const [network = "", bits = ""] = range.split("/");
  const version = (text: string) => (isIP(text) === 4 ? "ipv4" : "ipv6");
  if (version(address) !== version(network)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), version(network));
  return list.check(address, version(address));
}
