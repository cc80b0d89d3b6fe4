import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { Buffer } from "node:buffer";
import { sha256 } from "../digest.ts";
import {
  alternativeNames,
  type Certificate,
  parseCertificates,
  verifyChain,
} from "./certificate_chain.ts";
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
  }
  | PkiTrust;

/** Certificates of one's own authorities, and whom they must be for. */
export interface PkiTrust {
  readonly kind: "pki";
  readonly roots: Uint8Array;
  readonly intermediates: Uint8Array;
  /** At least one of the two is given. */
  readonly subjectEmail: string | undefined;
  readonly subjectHostname: string | undefined;
}

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
  } else if (trust.kind === "fulcio") await verifyFulcio(payload, signature, annotations, trust);
  else await verifyPki(payload, signature, annotations, trust);
  return parsePayload(payload, PAYLOAD_TYPE);
}

/** The certificate is good at the time at which the log saw it, which is shortly after it was made. */
async function verifyFulcio(
  payload: Uint8Array,
  signature: Buffer,
  annotations: Readonly<Record<string, string>>,
  trust: Extract<SigstoreKeys, { kind: "fulcio" }>,
): Promise<void> {
  const leaf = await certificateOf(annotations);
  const signer: { pem?: string } = {};
  const seen = verifyLogEntry(
    annotations[BUNDLE],
    payload,
    signature,
    trust.rekorKeys,
    (pem) => (signer.pem = pem) !== "",
  );
  const [logged] = await parseCertificates(signer.pem ?? "");
  if (!logged?.equals(leaf)) throw new Error("the entry is about another signer");
  verifyChain(leaf, {
    roots: await parseCertificates(trust.ca),
    between: await parseCertificates(annotations[CHAIN] ?? ""),
    at: seen,
  });
  const issuer = leaf.extension(ISSUER_V2)?.valueObj.subs[0]?.value ??
    leaf.extension(ISSUER)?.value;
  if (issuer?.toString() !== trust.oidcIssuer) {
    throw new Error(`it was made by an identity of ${JSON.stringify(String(issuer))}`);
  }
  requireName(leaf, "email", trust.subjectEmail);
  requireSignedBy(leaf, payload, signature);
}

/** The certificate is good now: there is no log that would tell when it was used. */
async function verifyPki(
  payload: Uint8Array,
  signature: Buffer,
  annotations: Readonly<Record<string, string>>,
  trust: PkiTrust,
): Promise<void> {
  const leaf = await certificateOf(annotations);
  verifyChain(leaf, {
    roots: await parseCertificates(trust.roots),
    between: [
      ...await parseCertificates(trust.intermediates),
      ...await parseCertificates(annotations[CHAIN] ?? ""),
    ],
    at: new Date(),
  });
  if (trust.subjectEmail !== undefined) requireName(leaf, "email", trust.subjectEmail);
  if (trust.subjectHostname !== undefined) requireName(leaf, "host", trust.subjectHostname);
  requireSignedBy(leaf, payload, signature);
}

async function certificateOf(
  annotations: Readonly<Record<string, string>>,
): Promise<Certificate> {
  const [leaf] = await parseCertificates(annotations[CERTIFICATE] ?? "");
  if (leaf === undefined) throw new Error("the certificate is missing");
  return leaf;
}

function requireName(leaf: Certificate, kind: "email" | "host", name: string): void {
  const names = alternativeNames(leaf, kind);
  const isFor = kind === "email"
    ? names.includes(name)
    : names.some((each) => matchesHost(each.toLowerCase(), name.toLowerCase()));
  if (!isFor) throw new Error(`it was made by ${names.map((each) => JSON.stringify(each))}`);
}

/** A star stands for the whole first label (RFC 6125, 6.4.3). */
function matchesHost(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return pattern === host;
  return host.includes(".") && pattern.slice(1) === host.slice(host.indexOf("."));
}

function requireSignedBy(leaf: Certificate, payload: Uint8Array, signature: Buffer): void {
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
