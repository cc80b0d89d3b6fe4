import { createHash, type Hash } from "node:crypto";
import { CridError } from "../failure/mod.ts";

/** The algorithms that image digests may use, with the length of their hex form. */
const HEX_LENGTH: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** Whether `text` is a digest of a known algorithm: `sha256:` and 64, `sha512:` and 128 hex digits. */
export function isDigest(text: string): boolean {
  const colon = text.indexOf(":");
  const length = HEX_LENGTH[text.slice(0, colon)];
  const hex = text.slice(colon + 1);
  return length !== undefined && hex.length === length && /^[0-9a-f]+$/.test(hex);
}

/** The digest of `bytes` as `sha256:<hex>`. */
export function sha256(bytes: Uint8Array): string {
  return "sha256:" + createHash("sha256").update(bytes).digest("hex");
}

/** The hex digits behind the algorithm. */
export function digestHex(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** A hash of the algorithm that `digest` names. */
export function hashFor(digest: string): Hash {
  return createHash(digest.slice(0, digest.indexOf(":")));
}

/**
 * Checks that `bytes` are what `digest` promises.
 *
 * @throws {CridError} `invalid_argument` with both digests.
 */
export function verifyDigest(what: string, bytes: Uint8Array, digest: string): void {
  if (!isDigest(digest)) {
    throw new CridError("invalid_argument", `${what}: ${quote(digest)} is no valid digest`);
  }
  const algorithm = digest.slice(0, digest.indexOf(":"));
  const actual = `${algorithm}:${hashFor(digest).update(bytes).digest("hex")}`;
  if (actual !== digest) throw digestMismatch(what, digest, actual);
}

/** The error for content that is not what its digest says. */
export function digestMismatch(what: string, expected: string, actual: string): CridError {
  return new CridError(
    "invalid_argument",
    `${what}: digest mismatch: expected ${expected}, got ${actual}; ` +
      `the registry or a proxy in between returned wrong content`,
  );
}

/** Text from outside, made safe and short enough for a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? text.slice(0, 200) + "…" : text);
}
