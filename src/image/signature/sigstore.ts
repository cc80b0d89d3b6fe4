import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { Buffer } from "node:buffer";
import { sha256 } from "../digest.ts";
import { members } from "./requirement.ts";
import { parsePayload, type SignedClaim } from "./payload.ts";

/** A signature as cosign attaches it to an image. */
export interface SigstoreSignature {
  readonly payload: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a signature is verified with. */
export type SigstoreKeys =
  | {
    readonly kind: "keys";
    readonly keys: readonly Uint8Array[];
    readonly rekorKeys: readonly Uint8Array[];
  }
  | {
    readonly kind: "fulcio";
    readonly ca: Uint8Array;
    readonly oidcIssuer: string;
    readonly subjectEmail: string;
    readonly rekorKeys: readonly Uint8Array[];
  };

const SIGNATURE = "dev.cosignproject.cosign/signature";
const BUNDLE = "dev.sigstore.cosign/bundle";
const CERTIFICATE = "dev.sigstore.cosign/certificate";
const CHAIN = "dev.sigstore.cosign/chain";
const PAYLOAD_TYPE = "cosign container image signature";
/** Fulcio's extensions: the issuer as plain bytes, and newer, as a DER string. */
const ISSUER = "1.3.6.1.4.1.57264.1.1";
const ISSUER_V2 = "1.3.6.1.4.1.57264.1.8";

/**
 * Verifies a sigstore signature.
 *
 * @returns What was signed.
 * @throws {Error} saying what does not hold.
 */
export async function verifySigstoreSignature(
  { payload, annotations }: SigstoreSignature,
  trust: SigstoreKeys,
): Promise<SignedClaim> {
  const signature = Buffer.from(annotations[SIGNATURE] ?? "", "base64");
  if (signature.length === 0) throw new Error("the signature is missing");
  if (trust.kind === "keys") {
    const key = trust.keys.map(publicKey).find((each) => isSignedBy(payload, each, signature));
    if (key === undefined) throw new Error("it is signed by none of the keys");
    if (trust.rekorKeys.length > 0) {
      verifyLogEntry(
        annotations[BUNDLE],
        payload,
        signature,
        trust.rekorKeys,
        (pem) => spki(publicKey(Buffer.from(pem))) === spki(key),
      );
    }
  } else await verifyFulcio(payload, signature, annotations, trust);
  return parsePayload(payload, PAYLOAD_TYPE);
}

/** The certificate is good at the time at which the log saw it, which is shortly after it was made. */
async function verifyFulcio(
  payload: Uint8Array,
  signature: Buffer,
  annotations: Readonly<Record<string, string>>,
  trust: Extract<SigstoreKeys, { kind: "fulcio" }>,
): Promise<void> {
  const { X509Certificate } = await import("./x509.ts");
  const pems = (text: string) =>
    text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END[^\n]+/g) ?? [];
  const [leafPem] = pems(annotations[CERTIFICATE] ?? "");
  if (leafPem === undefined) throw new Error("the certificate is missing");
  const leaf = X509Certificate.parse(leafPem);
  const seen = verifyLogEntry(
    annotations[BUNDLE],
    payload,
    signature,
    trust.rekorKeys,
    (pem) => pems(pem).some((each) => X509Certificate.parse(each).equals(leaf)),
  );
  const roots = pems(Buffer.from(trust.ca).toString()).map((each) => X509Certificate.parse(each));
  const between = pems(annotations[CHAIN] ?? "").map((each) => X509Certificate.parse(each));
  if (!leaf.validForDate(seen)) throw new Error("the certificate was not valid when it was used");
  let at = leaf;
  // A chain has few links; one that goes in a circle has none at its end.
  for (
    let depth = 0;
    !roots.some((root) => at.verify(root) && root.isCA && root.validForDate(seen));
    depth++
  ) {
    const issuer = between.find((each) =>
      !each.equals(at) && each.isCA && each.validForDate(seen) && at.verify(each)
    );
    if (issuer === undefined || depth === 4) {
      throw new Error("no known authority has issued the certificate");
    }
    at = issuer;
  }
  const issuer = leaf.extension(ISSUER_V2)?.valueObj.subs[0]?.value ??
    leaf.extension(ISSUER)?.value;
  if (issuer?.toString() !== trust.oidcIssuer) {
    throw new Error(`it was made by an identity of ${JSON.stringify(String(issuer))}`);
  }
  if (leaf.extSubjectAltName?.rfc822Name !== trust.subjectEmail) {
    throw new Error(`it was made by ${JSON.stringify(leaf.subjectAltName)}`);
  }
  const key = createPublicKey({ key: leaf.publicKey, format: "der", type: "spki" });
  if (!isSignedBy(payload, key, signature)) throw new Error("it is not signed by its certificate");
}

/**
 * Verifies that the transparency log has seen this signature of this payload.
 *
 * @param isSigner Whether the PEM text in the log's entry is who signed.
 * @returns When the log saw it.
 */
function verifyLogEntry(
  bundle: string | undefined,
  payload: Uint8Array,
  signature: Buffer,
  keys: readonly Uint8Array[],
  isSigner: (pem: string) => boolean,
): Date {
  if (bundle === undefined) throw new Error("there is no entry of the transparency log with it");
  const { SignedEntryTimestamp: stamp, Payload } = JSON.parse(bundle);
  const { body, integratedTime, logIndex, logID } = members(Payload, "the log's entry");
  // Canonical JSON: members in the order of their names, no blanks.
  const signed = Buffer.from(JSON.stringify({ body, integratedTime, logID, logIndex }));
  const proof = Buffer.from(String(stamp), "base64");
  if (!keys.some((key) => isSignedBy(signed, publicKey(key), proof))) {
    throw new Error("the entry is not signed by the transparency log");
  }
  const entry = JSON.parse(Buffer.from(String(body), "base64").toString());
  const { kind, apiVersion, spec } = entry;
  if (kind !== "hashedrekord" || apiVersion !== "0.0.1") {
    throw new Error("the entry is of another kind");
  }
  const { algorithm, value } = spec.data.hash;
  if (algorithm !== "sha256" || `sha256:${value}` !== sha256(payload)) {
    throw new Error("the entry is about another payload");
  }
  if (!Buffer.from(spec.signature.content, "base64").equals(signature)) {
    throw new Error("the entry is about another signature");
  }
  if (!isSigner(Buffer.from(spec.signature.publicKey.content, "base64").toString())) {
    throw new Error("the entry is about another signer");
  }
  return new Date(Number(integratedTime) * 1000);
}

function publicKey(pem: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(pem), format: "pem" });
}

function spki(key: KeyObject): string {
  return (key.export({ format: "der", type: "spki" }) as Buffer).toString("base64");
}

function isSignedBy(data: Uint8Array, key: KeyObject, signature: Buffer): boolean {
  try {
    return verify(key.asymmetricKeyType === "ed25519" ? null : "sha256", data, key, signature);
  } catch {
    return false;
  }
}
