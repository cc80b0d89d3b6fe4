import { CridError } from "../../failure/mod.ts";
import type { ImageRecord, LayerRecord, Store } from "../../storage/mod.ts";

/** A layer of an image in the store, with what its export needs. */
export interface StoredLayer {
  readonly id: string;
  readonly diffId: string;
  /** Bytes of the uncompressed archive. */
  readonly size: number;
  readonly record: LayerRecord;
}

/**
 * The layers of an image, the base first.
 *
 * @throws {CridError} `internal` when the store does not know one, or not what was in it.
 */
export async function storedLayers(store: Store, image: ImageRecord): Promise<StoredLayer[]> {
  const layers: StoredLayer[] = [];
  for (let id = image.layer; id !== undefined;) {
    const record = await store.layer(id);
    const { diffDigest, diffSize } = record ?? {};
    if (record === undefined || diffDigest === undefined || diffSize === undefined) {
      throw new CridError(
        "internal",
        `image ${image.id}: layer ${id} is missing in the store or incomplete; pull the image again`,
      );
    }
    layers.unshift({ id, diffId: diffDigest, size: diffSize, record });
    id = record.parent;
  }
  return layers;
}
