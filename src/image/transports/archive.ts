import type { BlobDescriptor, ResolvedImage } from "../types.ts";
import type { Chunk } from "../blob_stream.ts";

/** One image of an archive. */
export interface ArchiveImage {
  /** Its place in the archive, from 0. */
  readonly index: number;
  /** Full names that the archive gives it; none if it has none. */
  readonly names: readonly string[];
  /** What the archive itself calls it, when that is no full name. */
  readonly label?: string;
}

/** An archive or directory that holds images. */
export interface ImageArchive {
  readonly images: readonly ArchiveImage[];
  /**
   * Everything about an image but its layers; digests are verified.
   *
   * @throws {CridError} `invalid_argument` for what is not as its digest says.
   */
  open(index: number): Promise<Omit<ResolvedImage, "session" | "name">>;
  /** The bytes of a layer of an opened image, not verified. */
  blob(descriptor: BlobDescriptor): AsyncIterable<Chunk>;
}
