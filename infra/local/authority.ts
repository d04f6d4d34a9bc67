/** A certificate authority of this machine: what the local cloud's TLS certificates are signed by. */
import { randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import "reflect-metadata";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** An authority's own certificate and private key, both PEM: all that is needed to make it again. */
export interface SavedAuthority {
  caPem: string;
  /** PKCS #8. Whoever reads it can stand in for any host towards programs that trust `caPem`: keep it at mode 0600. */
  caKeyPem: string;
}

/** Signs certificates that OpenSSL, Node and Go accept once they trust `caPem`. */
export interface Authority {
  /** Certificate to trust, PEM. */
  readonly caPem: string;
  /**
   * Makes a server certificate of 90 days with a key of its own.
   *
   * @param hostnames DNS names (`*.` allowed as the first label) and IP addresses; all become subject alternative names.
   * @returns PKCS #8 key and certificate, both PEM.
   */
  issue(hostnames: string[]): Promise<{ key: string; cert: string }>;
  /** What `createAuthority` takes to go on with this authority in another process. */
  save(): Promise<SavedAuthority>;
}

const DAY_MS = 86_400_000;
const EC = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;

/** Makes a new authority (EC P-256, one year, signs no other authority), or goes on with a saved one. */
export async function createAuthority(saved?: SavedAuthority): Promise<Authority> {
  const { certificate, key } = saved ? await load(saved) : await create();
  const caPem = `${certificate.toString("pem")}\n`;
  const authorityKeyIdentifier = await AuthorityKeyIdentifierExtension.create(certificate.publicKey, false, webcrypto);

  return {
    caPem,
    async issue(hostnames) {
      const [first] = hostnames;
      if (first === undefined) throw new TypeError("a certificate needs at least one host name");
      const pair = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
      const leaf = await X509CertificateGenerator.create(
        {
          serialNumber: serialNumber(),
          // A common name holds at most 64 characters; what clients check is the alternative names.
          subject: [{ CN: [first.slice(0, 64)] }],
          issuer: certificate.subjectName,
          ...validFor(90),
          publicKey: pair.publicKey,
          signingKey: key,
          signingAlgorithm: SIGNING,
          extensions: [
            new BasicConstraintsExtension(false, undefined, true),
            new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
            new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
            new SubjectAlternativeNameExtension(
              hostnames.map((name) => ({ type: isIP(name) ? "ip" : "dns", value: name })),
            ),
            await SubjectKeyIdentifierExtension.create(pair.publicKey, false, webcrypto),
            authorityKeyIdentifier,
          ],
        },
        webcrypto,
      );
      return { key: await keyPem(pair.privateKey), cert: `${leaf.toString("pem")}\n` };
    },
    save: async () => ({ caPem, caKeyPem: await keyPem(key) }),
  };
}

async function create() {
  const pair = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      // A name of its own, since a trust store with two authorities of one name makes some clients try the wrong key.
      name: [{ CN: [`Handrail local authority ${randomBytes(4).toString("hex")}`] }],
      ...validFor(365),
      keys: pair,
      signingAlgorithm: SIGNING,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(pair.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate, key: pair.privateKey };
}

async function load({ caPem, caKeyPem }: SavedAuthority) {
  const key = await webcrypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(caKeyPem), EC, true, ["sign"]);
  return { certificate: new X509Certificate(caPem), key };
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

/** 127 random bits, positive and of full length, as RFC 5280 §4.1.2.2 asks. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

/** From an hour ago, so that a clock that lags a little does not refuse a fresh certificate. */
function validFor(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - DAY_MS / 24), notAfter: new Date(now + days * DAY_MS) };
}
