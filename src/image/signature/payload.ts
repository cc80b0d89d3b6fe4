import { isDigest } from "../digest.ts";
import { members } from "./requirement.ts";
import { parseStrict } from "./strict_json.ts";

/** What a signature says: this digest is an image of this name. */
export interface SignedClaim {
  readonly digest: string;
  readonly reference: string;
}

/**
 * Reads what was signed: the same form for simple signing and for sigstore.
 *
 * @param type What `critical.type` must be.
 * @throws {Error} when it is anything else.
 */
export function parsePayload(bytes: Uint8Array, type: string): SignedClaim {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const root = members(parseStrict(text), "the payload", ["critical", "optional"]);
  const critical = members(root.critical, "critical", ["type", "image", "identity"]);
  if (critical.type !== type) throw new Error(`it is of type ${JSON.stringify(critical.type)}`);
  const image = members(critical.image, "image", ["docker-manifest-digest"]);
  const identity = members(critical.identity, "identity", ["docker-reference"]);
  const digest = image["docker-manifest-digest"];
  const reference = identity["docker-reference"];
  if (typeof digest !== "string" || !isDigest(digest) || typeof reference !== "string") {
    throw new Error("the payload has no digest or no reference");
  }
  return { digest, reference };
}
