import { createHash, randomBytes } from "node:crypto";
import { CridError } from "../failure/mod.ts";
import type { Digest } from "./types.ts";

/**
 * The id of the layer with this DiffID on this parent, as containers/storage computes it: like the
 * OCI ChainID, but from bare hex digits, with `+` for the blank, and the parent's id for its ChainID.
 *
 * @throws {CridError} `invalid_argument` for a DiffID that is no sha256 digest.
 */
export function chainLayerId(parent: string | undefined, diffId: Digest): string {
  const match = /^sha256:([0-9a-f]{64})$/.exec(diffId);
  if (match === null) {
    throw new CridError("invalid_argument", `layer digest ${diffId}: only sha256 is supported`);
  }
  const hex = match[1]!;
  if (parent === undefined) return hex;
  return createHash("sha256").update(`${parent}+${hex}`).digest("hex");
}

/** A new id for a layer that is not content-addressed. */
export function randomId(): string {
  return randomBytes(32).toString("hex");
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A new 26-character name for `l/`, which keeps overlay's option string short. */
export function randomLinkName(): string {
  let name = "";
  for (const byte of randomBytes(26)) name += BASE32[byte & 31];
  return name;
}
