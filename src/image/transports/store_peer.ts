import { CridError } from "../../failure/mod.ts";
import { exportLayer, type ImageRecord, type Store } from "../../storage/mod.ts";
import { sendBlob } from "../blob_stream.ts";
import { sha256 } from "../digest.ts";
import type { RegistryPeer } from "../types.ts";
import { storedLayers } from "./store_layers.ts";

/**
 * An image of another store as something to pull from. Its layers come uncompressed, its manifest as it
 * was pulled into that store.
 */
export function storePeer(store: Store, image: ImageRecord): RegistryPeer {
  const layerIds = new Map<string, string>();
  return {
    async resolve() {
      const manifest = await store.imageData(image.id, "manifest");
      const manifestDigest = sha256(manifest);
      const list = await listOf(store, image, manifestDigest);
      const layers = await storedLayers(store, image);
      for (const { diffId, id } of layers) layerIds.set(diffId, id);
      const [name = "", ...otherNames] = image.names;
      return {
        session: 0,
        name,
        otherNames,
        digest: list?.digest ?? manifestDigest,
        manifest,
        manifestDigest,
        list,
        config: await store.imageData(image.id, `sha256:${image.id}`),
        configDigest: `sha256:${image.id}`,
        layers: layers.map(({ diffId: digest, size }) => ({
          ...{ digest, size, urls: [] },
          mediaType: "application/vnd.oci.image.layer.v1.tar",
        })),
      };
    },
    archiveImages: () => Promise.resolve([]),
    async fetchBlob({ blob, port }, signal, onBytes) {
      const id = layerIds.get(blob.digest);
      if (id === undefined) throw new CridError("internal", `no layer ${blob.digest}`);
      const open = async function* () {
        let bytes = 0;
        for await (const chunk of exportLayer(store, id)) {
          bytes += chunk.length;
          // The buffer goes with the chunk.
          yield chunk;
          onBytes?.(bytes);
        }
      };
      await sendBlob(port, open, signal);
    },
    close: () => {},
  };
}

/** The list that the image was pulled through, if its record names one. */
async function listOf(store: Store, image: ImageRecord, manifestDigest: string) {
  const { digest } = image;
  if (digest === undefined || digest === manifestDigest) return undefined;
  if (!image.bigDataNames.includes(`manifest-${digest}`)) return undefined;
  return { digest, bytes: await store.imageData(image.id, `manifest-${digest}`) };
}
