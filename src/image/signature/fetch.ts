import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { CridError, isCode } from "../../failure/mod.ts";
import { digestHex, isDigest, verifyDigest } from "../digest.ts";
import { MANIFEST_TYPES } from "../media_types.ts";
import type { ImageReference } from "../reference.ts";
import type { RegistryClient } from "../registry/client.ts";
import { readDocument } from "../registry/client_errors.ts";
import { followRedirects } from "../registry/redirects.ts";
import type { HttpTransport } from "../registry/transport.ts";
import type { SigstoreSignature } from "./sigstore.ts";

/** Limits of containers/image. */
const SIGNATURE_BYTES = 4 * 1024 * 1024;
const MAX_SIGNATURES = 128;
/** Of one image, all together. */
const ALL_SIGNATURES_BYTES = 16 * 1024 * 1024;
const LIMIT = { bytes: SIGNATURE_BYTES, milliseconds: 30_000 };
const COSIGN_PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json";

/** How signatures are got from where they are. */
export interface SignatureAccess {
  /** The image at the place where it was found. */
  readonly reference: ImageReference;
  readonly client: RegistryClient;
  transport(host: string): Promise<HttpTransport>;
  readonly userAgent: string;
  readonly signal: AbortSignal;
}

/**
 * The simple-signing signatures of a manifest below a lookaside address: `signature-1` and so on until one is
 * missing.
 *
 * @throws When they cannot be read for another reason than that they are not there.
 */
export async function lookasideSignatures(
  base: string,
  digest: string,
  access: SignatureAccess,
): Promise<readonly Uint8Array[]> {
  const folder = `${access.reference.path}@${digest.replace(":", "=")}`;
  const found: Uint8Array[] = [];
  for (let number = 1; number <= MAX_SIGNATURES; number++) {
    const url = new URL(base);
    url.pathname = join(url.pathname, folder, `signature-${number}`);
    const signature = url.protocol === "file:"
      ? await readIfPresent(decodeURIComponent(url.pathname))
      : await getIfPresent(url, access);
    if (signature === undefined) break;
    found.push(signature);
    requireModesty(found);
  }
  return found;
}

/** The sigstore signatures that are attached to a manifest as an image of their own. */
export async function attachedSignatures(
  digest: string,
  { client, reference, signal }: SignatureAccess,
): Promise<readonly SigstoreSignature[]> {
  const tag = `${digest.replace(":", "-")}.sig`;
  const what = `signatures of ${reference.path}@${digest}`;
  const request = {
    what,
    path: `manifests/${tag}`,
    headers: { accept: MANIFEST_TYPES.ociManifest },
  };
  let bytes: Uint8Array;
  try {
    bytes = await readDocument(what, await client.send(request, signal), LIMIT);
  } catch (error) {
    if (isCode(error, "not_found")) return [];
    throw error;
  }
  const { layers } = JSON.parse(new TextDecoder().decode(bytes));
  const found: SigstoreSignature[] = [];
  for (const layer of (Array.isArray(layers) ? layers : []).slice(0, MAX_SIGNATURES)) {
    if (layer?.mediaType !== COSIGN_PAYLOAD || !isDigest(String(layer.digest))) continue;
    const path = `blobs/${layer.digest}`;
    const payload = await readDocument(what, await client.send({ what, path }, signal), LIMIT);
    verifyDigest(what, payload, layer.digest);
    found.push({ payload, annotations: layer.annotations ?? {} });
    requireModesty(found.map((signature) => signature.payload));
  }
  return found;
}

/** Whoever may write to a registry may attach as many as he likes. */
function requireModesty(signatures: readonly Uint8Array[]): void {
  const bytes = signatures.reduce((sum, { length }) => sum + length, 0);
  if (bytes <= ALL_SIGNATURES_BYTES) return;
  throw new CridError(
    "invalid_argument",
    `the image's signatures are longer than the limit of ${ALL_SIGNATURES_BYTES} bytes`,
  );
}

/** How the store keeps a sigstore signature (containers/image). */
export function storedSigstore({ payload, annotations }: SigstoreSignature): Uint8Array {
  const json = {
    mimeType: COSIGN_PAYLOAD,
    payload: Buffer.from(payload).toString("base64"),
    annotations,
  };
  return new TextEncoder().encode(`\0sigstore-json\n${JSON.stringify(json)}`);
}

/** The item of an image's big data for the signatures of a manifest. */
export function signatureKey(digest: string): string {
  return `signature-${digestHex(digest)}`;
}

async function readIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    if ((await Deno.stat(path)).size > SIGNATURE_BYTES) throw new Error(`${path} is too long`);
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function getIfPresent(url: URL, access: SignatureAccess): Promise<Uint8Array | undefined> {
  const { transport, signal, userAgent } = access;
  const response = await followRedirects(
    { method: "GET", url, headers: { "user-agent": userAgent } },
    { transport, answerMs: LIMIT.milliseconds, signal },
  );
  if (response.status === 200) return await readDocument("a signature", response, LIMIT);
  response.discard();
  if (response.status === 404) return undefined;
  throw new Error(`${url.host} answers ${response.status} for a signature`);
}
