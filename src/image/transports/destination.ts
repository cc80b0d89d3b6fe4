import type { Chunk } from "../blob_stream.ts";
import type { UploadedBlob } from "../registry/push.ts";

/** Where an image is written to. Unless {@linkcode ImageDestination.finish} was called, nothing of it stays. */
export interface ImageDestination extends AsyncDisposable {
  /** `tar`: layers are wanted uncompressed. `blob`: as they were pulled, or compressed like that. */
  readonly layerForm: "tar" | "blob";
  /** `oci`: a manifest in Docker's form is rewritten; the image keeps its id. */
  readonly manifestForm: "oci" | "any";
  /** Whether the blob is there already; `from` are other repositories on the same registry. */
  has(digest: string, from: readonly string[]): Promise<boolean>;
  /** Takes a blob; its digest and size may turn out only with its last byte. */
  put(blob: BlobToWrite, signal: AbortSignal): Promise<UploadedBlob>;
  /** The manifest of an image whose blobs are all there. */
  putImage(image: ImageToWrite, signal: AbortSignal): Promise<void>;
  /** Everything is there. */
  finish(): Promise<void>;
}

/** The bytes of one blob. */
export interface BlobToWrite {
  /** Known beforehand for what is not compressed on the way. */
  readonly known: { readonly digest: string; readonly size: number } | undefined;
  /** Starts the bytes, once; each chunk belongs to the taker. */
  open(): AsyncIterable<Chunk>;
}

/** What makes blobs an image. */
export interface ImageToWrite {
  readonly manifest: Uint8Array;
  readonly mediaType: string;
  readonly digest: string;
  readonly configDigest: string;
  readonly config: Uint8Array;
  /** Digests of the uncompressed layers. */
  readonly diffIds: readonly string[];
  /** Full names; none for an image without. */
  readonly names: readonly string[];
}
