import { Buffer } from "node:buffer";
import type { X509Certificate } from "./x509.ts";

export type Certificate = X509Certificate;

/** What a certificate is trusted by. */
export interface ChainTrust {
  readonly roots: readonly Certificate[];
  /** Authorities that may stand between; they are not trusted by themselves. */
  readonly between: readonly Certificate[];
  /** All of them must be valid then. */
  readonly at: Date;
}

const MOST_LINKS = 4;
const KEY_USAGE = "2.5.29.37";
const ANY_USAGE = "2.5.29.37.0";
const CODE_SIGNING = "1.3.6.1.5.5.7.3.3";
/** Extensions that are looked at here, or are harmless: usage of keys, constraints, names. */
const UNDERSTOOD = new Set([
  "2.5.29.14",
  "2.5.29.15",
  "2.5.29.17",
  "2.5.29.19",
  "2.5.29.35",
  KEY_USAGE,
]);
const ALTERNATIVE_NAME = "2.5.29.17";
/** Kinds of names (RFC 5280, 4.2.1.6). */
const NAME_TAGS = { email: 1, host: 2 } as const;

/** The certificates of a text in PEM. @throws {Error} For one that is broken. */
export async function parseCertificates(pem: string | Uint8Array): Promise<Certificate[]> {
  const { X509Certificate } = await import("./x509.ts");
  const text = typeof pem === "string" ? pem : Buffer.from(pem).toString();
  return (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END[^\n]+/g) ?? [])
    .map((each) => X509Certificate.parse(each));
}

/**
 * Verifies that a certificate for signing code comes from a root.
 *
 * @throws {Error} saying what does not hold.
 */
export function verifyChain(leaf: Certificate, { roots, between, at }: ChainTrust): void {
  if (!leaf.validForDate(at)) throw new Error("the certificate was not valid when it was used");
  checkExtensions(leaf);
  let below = leaf;
  for (let links = 0; links <= MOST_LINKS; links++) {
    const issues = (each: Certificate) =>
      each.isCA && each.validForDate(at) && each.subject.equals(below.issuer) &&
      allowsLinks(each, links) && below.verify(each);
    const root = roots.find(issues);
    if (root !== undefined) return checkExtensions(root);
    const next = between.find((each) => !each.equals(below) && issues(each));
    if (next === undefined) break;
    checkExtensions(next);
    below = next;
  }
  throw new Error("no known authority has issued the certificate");
}

/** The names of one kind that a certificate is for. */
export function alternativeNames(
  certificate: Certificate,
  kind: keyof typeof NAME_TAGS,
): readonly string[] {
  const names = certificate.extension(ALTERNATIVE_NAME)?.valueObj.subs[0]?.subs ?? [];
  return names.filter(({ tag }) => tag.isContextSpecific(NAME_TAGS[kind]))
    .map(({ value }) => value.toString("latin1"));
}

/** Whether an authority may have so many others below it. */
function allowsLinks({ extBasicConstraints }: Certificate, links: number): boolean {
  const most = extBasicConstraints?.pathLenConstraint;
  return most === undefined || BigInt(links) <= most;
}

/** What a certificate says must be understood, is; and it may be used to sign code. */
function checkExtensions(certificate: Certificate): void {
  for (const extension of certificate.extensions) {
    const oid = extension.subs[0]?.toOID() ?? "";
    if (!certificate.extension(oid)?.critical || UNDERSTOOD.has(oid)) continue;
    throw new Error(`a certificate has the critical extension ${oid}, which crid does not know`);
  }
  const usages = certificate.extension(KEY_USAGE)?.valueObj.subs[0]?.subs.map((each) =>
    each.toOID()
  );
  if (usages === undefined || usages.includes(CODE_SIGNING) || usages.includes(ANY_USAGE)) return;
  throw new Error("a certificate is not for signing code");
}
