/** Identifiers and secrets in the forms that the real API gives them. */
import { randomBytes } from "node:crypto";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

export interface Ids {
  /** A fresh id, `<prefix>_01…`; prefixes: env, agent, sesn, sevt, work, whe, wh, req, key, fault. */
  next(prefix: string): string;
  /** A fresh secret, `<prefix><url-safe base64 of `bytes` random bytes>`. */
  secret(prefix: string, bytes: number): string;
}

/** Ids that nobody can guess, 132 bits of base 58. */
export function randomIds(): Ids {
  return {
    next: (prefix) => `${prefix}_01${Array.from(randomBytes(22), (byte) => ALPHABET[byte % ALPHABET.length]).join("")}`,
    secret: (prefix, bytes) => prefix + randomBytes(bytes).toString("base64url"),
  };
}
