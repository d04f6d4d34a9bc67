/** What every sandbox finds in itself at boot: files that belong to this start, and the preset environment. */
import { rootCertificates } from "node:tls";
import { DEFAULT_USER } from "./disk.ts";
import { FIREWALL_ADDRESS } from "./network.ts";

const BUNDLE = "/etc/ssl/certs/ca-certificates.crt";
/** Where the platform puts the firewall's authority (contracts/vercel-firewall.md §1.11). */
const AUTHORITY_FILES = [
  "/etc/pki/ca-trust/source/anchors/vercel-proxy-ca.pem",
  "/usr/local/share/ca-certificates/vercel-proxy-ca.pem",
];
const BUNDLE_VARIABLES = [
  "AWS_CA_BUNDLE",
  "CARGO_HTTP_CAINFO",
  "CURL_CA_BUNDLE",
  "GIT_SSL_CAINFO",
  "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
  "NODE_EXTRA_CA_CERTS",
  "NPM_CONFIG_CAFILE",
  "PIP_CERT",
  "REQUESTS_CA_BUNDLE",
  "SSL_CERT_FILE",
];
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * @param firewallCa PEM of the sandbox's own authority.
 * @param publicCa PEM of the authority that stands for the public ones here.
 */
export function bootFiles(hostname: string, firewallCa: string, publicCa: string) {
  const file = (path: string, text: string) => ({ path, mode: 0o644, text });
  return [
    file("/etc/resolv.conf", `nameserver ${FIREWALL_ADDRESS}\noptions timeout:2 attempts:1\n`),
    file("/etc/hostname", `${hostname}\n`),
    file("/etc/hosts", `127.0.0.1 localhost ${hostname}\n::1 localhost\n`),
    file(BUNDLE, [...rootCertificates, publicCa, firewallCa].map((pem) => `${pem.trim()}\n`).join("")),
    ...AUTHORITY_FILES.map((path) => file(path, firewallCa)),
  ];
}

/** Environment of a command before the sandbox's and its own variables. */
export function presetEnvironment(sudo: boolean): Record<string, string> {
  return {
    PATH,
    LANG: "C.UTF-8",
    HOME: sudo ? "/root" : `/home/${DEFAULT_USER}`,
    USER: sudo ? "root" : DEFAULT_USER,
    NODE_USE_SYSTEM_CA: "1",
    ...Object.fromEntries(BUNDLE_VARIABLES.map((name) => [name, BUNDLE])),
  };
}
