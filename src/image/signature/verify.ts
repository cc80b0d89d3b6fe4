import { Buffer } from "node:buffer";
import { CridError, errorMessage } from "../../failure/mod.ts";
import { formatReference, type ImageReference } from "../reference.ts";
import {
  attachedSignatures,
  lookasideSignatures,
  type SignatureAccess,
  storedSigstore,
} from "./fetch.ts";
import { identityMatches } from "./identity.ts";
import { readSigstore } from "./stored.ts";
import type { SignedClaim } from "./payload.ts";
import { signaturePlaces } from "./registries_d.ts";
import type { Material, PolicyRequirement, SigstoreTrust } from "./requirement.ts";
import { type SigstoreKeys, verifySigstoreSignature } from "./sigstore.ts";
import { verifySimpleSignature } from "./simple_signing.ts";

/** An image whose signatures are asked for. */
export interface SignedImage {
  /** As it was asked for, whatever mirror it came from. */
  readonly name: ImageReference;
  readonly manifestDigest: string;
  /** The policy's file, for messages. */
  readonly policyFile: string;
  readonly registriesD: readonly string[];
}

/**
 * Checks every requirement that is about signatures; of each, one good signature is enough.
 *
 * @returns The signatures that were looked at, as the store keeps them.
 * @throws {CridError} `permission_denied` in the words that the kubelet looks for.
 */
export async function verifySignatures(
  requirements: readonly PolicyRequirement[],
  image: SignedImage,
  access: SignatureAccess,
): Promise<readonly Uint8Array[]> {
  const found = new Map<string, Uint8Array>();
  for (const requirement of requirements) {
    if (requirement.type !== "signedBy" && requirement.type !== "sigstoreSigned") continue;
    const places = await signaturePlaces(image.registriesD, access.reference);
    const checks = requirement.type === "signedBy"
      ? await simpleChecks(requirement, places.lookaside, image, access)
      : await sigstoreChecks(requirement, places.sigstoreAttachments, image, access);
    for (const { stored } of checks) found.set(Buffer.from(stored).toString("base64"), stored);
    await requireOne(checks, requirement.identity, image);
  }
  return [...found.values()];
}

/**
 * As {@linkcode verifySignatures}, with the signatures that the store has kept of the image.
 *
 * @throws {CridError} `permission_denied`.
 */
export async function verifyStored(
  requirements: readonly PolicyRequirement[],
  image: Omit<SignedImage, "registriesD">,
  signatures: readonly Uint8Array[],
): Promise<void> {
  for (const requirement of requirements) {
    if (requirement.type === "signedBy") {
      const keyrings = await readAll(requirement.keys);
      const checks = signatures.filter((stored) => readSigstore(stored) === undefined)
        .map((stored) => ({ stored, verify: () => verifySimpleSignature(stored, keyrings) }));
      await requireOne(checks, requirement.identity, image);
    } else if (requirement.type === "sigstoreSigned") {
      const keys = await readTrust(requirement.trust, requirement.rekorKeys);
      const checks = signatures.flatMap((stored) => {
        const signature = readSigstore(stored);
        if (signature === undefined) return [];
        return [{ stored, verify: () => verifySigstoreSignature(signature, keys) }];
      });
      await requireOne(checks, requirement.identity, image);
    }
  }
}

/** One signature, and how to find out what it is worth. */
interface Check {
  readonly stored: Uint8Array;
  verify(): Promise<SignedClaim>;
}

async function simpleChecks(
  { keys }: Extract<PolicyRequirement, { type: "signedBy" }>,
  lookaside: string,
  { manifestDigest }: SignedImage,
  access: SignatureAccess,
): Promise<readonly Check[]> {
  const keyrings = await readAll(keys);
  const signatures = await lookasideSignatures(lookaside, manifestDigest, access);
  return signatures.map((stored) => ({
    stored,
    verify: () => verifySimpleSignature(stored, keyrings),
  }));
}

async function sigstoreChecks(
  { trust, rekorKeys }: Extract<PolicyRequirement, { type: "sigstoreSigned" }>,
  attachments: boolean,
  image: SignedImage,
  access: SignatureAccess,
): Promise<readonly Check[]> {
  if (!attachments) {
    throw refused(image, "its registry has no use-sigstore-attachments: true in registries.d");
  }
  const keys = await readTrust(trust, rekorKeys);
  const signatures = await attachedSignatures(image.manifestDigest, access);
  return signatures.map((signature) => ({
    stored: storedSigstore(signature),
    verify: () => verifySigstoreSignature(signature, keys),
  }));
}

async function readTrust(
  trust: SigstoreTrust,
  rekorMaterials: readonly Material[],
): Promise<SigstoreKeys> {
  const rekorKeys = await readAll(rekorMaterials);
  switch (trust.kind) {
    case "keys":
      return { kind: "keys", keys: await readAll(trust.keys), rekorKeys };
    case "fulcio":
      return { ...trust, ca: await read(trust.ca), rekorKeys };
    case "pki": {
      const { roots, intermediates, ...subject } = trust;
      return {
        ...subject,
        roots: await read(roots),
        intermediates: intermediates === undefined ? new Uint8Array() : await read(intermediates),
      };
    }
  }
}

async function requireOne(
  checks: readonly Check[],
  identity: Parameters<typeof identityMatches>[0],
  image: Omit<SignedImage, "registriesD">,
): Promise<void> {
  if (checks.length === 0) {
    throw refused(image, "a signature was required, but no signature exists");
  }
  const reasons: string[] = [];
  for (const { verify } of checks) {
    try {
      const claim = await verify();
      if (claim.digest !== image.manifestDigest) {
        throw new Error(`it is for ${claim.digest}`);
      }
      if (!identityMatches(identity, image.name, claim.reference)) {
        throw new Error(`it is for ${JSON.stringify(claim.reference)}`);
      }
      return;
    } catch (error) {
      reasons.push(errorMessage(error));
    }
  }
  throw refused(image, `none of the signatures were accepted: ${reasons.join("; ")}`);
}

function refused({ name, policyFile }: Omit<SignedImage, "registriesD">, why: string): CridError {
  return new CridError(
    "permission_denied",
    `SignatureValidationFailed: source image rejected: ${
      formatReference(name)
    }: ${why} (${policyFile})`,
  );
}

async function readAll(materials: readonly Material[]): Promise<Uint8Array[]> {
  return await Promise.all(materials.map(read));
}

async function read(material: Material): Promise<Uint8Array> {
  if ("data" in material) return new Uint8Array(Buffer.from(material.data, "base64"));
  try {
    return await Deno.readFile(material.path);
  } catch (error) {
    const hint = error instanceof Deno.errors.NotCapable
      ? "; the policy is new, and images that are pulled hold the old one: try again in a few seconds"
      : "";
    throw new CridError(
      "failed_precondition",
      `read the key ${material.path} that the policy names: ${errorMessage(error)}${hint}`,
    );
  }
}
