import { Buffer } from "node:buffer";
import type { ImageRecord, Store } from "../../storage/mod.ts";
import { digestHex, sha256 } from "../digest.ts";
import type { SigstoreSignature } from "./sigstore.ts";

const SIGSTORE = new TextEncoder().encode("\0sigstore-json\n");

/** A manifest of an image in the store, and the signatures that were kept of it. */
export interface StoredManifest {
  readonly digest: string;
  readonly signatures: readonly Uint8Array[];
}

/**
 * The manifests that an image was pulled by: one image may have several, and one of them the signatures.
 * The last one comes first. Only those whose config makes the image count; lists do not.
 */
export async function storedManifests(
  store: Pick<Store, "imageData">,
  record: ImageRecord,
): Promise<readonly StoredManifest[]> {
  const sizes = signatureSizes(record.metadata);
  const found = new Map<string, StoredManifest>();
  const keys = record.bigDataNames.filter((key) => /^manifest(-|$)/.test(key));
  for (const key of keys.sort()) {
    const bytes = await store.imageData(record.id, key);
    const digest = sha256(bytes);
    if (found.has(digest) || configOf(bytes) !== `sha256:${record.id}`) continue;
    const lengths = sizes[digest] ?? [];
    const all = lengths.length === 0
      ? new Uint8Array()
      : await store.imageData(record.id, `signature-${digestHex(digest)}`);
    found.set(digest, { digest, signatures: split(all, lengths) });
  }
  return [...found.values()];
}

/** A sigstore signature as the store keeps it; `undefined` for one by OpenPGP. */
export function readSigstore(stored: Uint8Array): SigstoreSignature | undefined {
  if (!Buffer.from(stored.subarray(0, SIGSTORE.length)).equals(SIGSTORE)) return undefined;
  const { payload, annotations } = JSON.parse(
    new TextDecoder().decode(stored.subarray(SIGSTORE.length)),
  );
  return { payload: new Uint8Array(Buffer.from(String(payload), "base64")), annotations };
}

function signatureSizes(metadata = "{}"): Readonly<Record<string, readonly number[]>> {
  return JSON.parse(metadata)["signatures-sizes"] ?? {};
}

function split(all: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => all.subarray(at, at += length));
}

function configOf(manifest: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(manifest)).config?.digest;
  } catch {
    return undefined;
  }
}
