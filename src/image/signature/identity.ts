import {
  formatReference,
  type ImageReference,
  parseReference,
  repositoryName,
} from "../reference.ts";
import { splitReference } from "../reference.ts";
import type { SignedIdentity } from "./requirement.ts";

/**
 * Whether a signature for `signed` is good for an image that is pulled as `image`.
 *
 * @param signed As it is in the signature: full, with a tag or a digest.
 */
export function identityMatches(
  identity: SignedIdentity,
  image: ImageReference,
  signed: string,
): boolean {
  const reference = readSigned(signed);
  if (reference === undefined) return false;
  switch (identity.type) {
    case "matchExact":
      return image.digest === undefined && same(image, reference);
    case "matchRepoDigestOrExact":
      return matchDigestOrExact(image, reference);
    case "matchRepository":
      return repositoryName(image) === repositoryName(reference);
    case "exactReference":
      return same(parseReference(identity.reference), reference);
    case "exactRepository":
      return repositoryName(parseReference(identity.repository)) === repositoryName(reference);
    case "remapIdentity":
      return matchDigestOrExact(remapped(identity, image), reference);
  }
}

/** An image by its digest is what it is under whatever tag it was signed. */
function matchDigestOrExact(image: ImageReference, signed: ImageReference): boolean {
  if (image.digest !== undefined) return repositoryName(image) === repositoryName(signed);
  return same(image, signed);
}

function same(one: ImageReference, other: ImageReference): boolean {
  return formatReference(one) === formatReference(other);
}

function remapped(
  { prefix, signedPrefix }: Extract<SignedIdentity, { type: "remapIdentity" }>,
  image: ImageReference,
): ImageReference {
  const name = formatReference(image);
  const next = name.slice(prefix.length, prefix.length + 1);
  if (!name.startsWith(prefix) || !["", "/", ":", "@"].includes(next)) return image;
  return parseReference(signedPrefix + name.slice(prefix.length));
}

/** A name without tag and digest says too little to be signed. */
function readSigned(text: string): ImageReference | undefined {
  try {
    const { tag, digest } = splitReference(text);
    return tag === undefined && digest === undefined ? undefined : parseReference(text);
  } catch {
    return undefined;
  }
}
