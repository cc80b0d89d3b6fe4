import { CridError } from "../../failure/mod.ts";
import { digestHex } from "../digest.ts";
import { parseReference, repositoryName } from "../reference.ts";
import type { ImageDestination, ImageToWrite } from "./destination.ts";
import { OutputFile } from "./output_file.ts";
import { TarWriter } from "./tar_writer.ts";

/**
 * What `docker save` writes: uncompressed layers, configs, and `manifest.json`.
 *
 * @param names The names to write; those of each image if not given.
 */
export async function dockerArchive(
  path: string,
  names: readonly string[] | undefined,
): Promise<ImageDestination> {
  const file = await OutputFile.create(path);
  const tar = new TarWriter((bytes) => file.write(bytes));
  const written = new Set<string>();
  const images: { readonly image: ImageToWrite; readonly tags: readonly string[] }[] = [];
  return {
    layerForm: "tar",
    manifestForm: "any",
    has: (digest) => Promise.resolve(written.has(digest)),
    async put({ known, open }, signal) {
      if (known === undefined) throw new CridError("internal", "a layer of unknown size");
      const content = async function* () {
        for await (const chunk of open()) {
          signal.throwIfAborted();
          yield chunk;
        }
      };
      await tar.file(layerName(known.digest), known.size, content());
      written.add(known.digest);
      return known;
    },
    async putImage(image) {
      const { configDigest, config } = image;
      if (!written.has(configDigest)) await tar.text(configName(configDigest), config);
      written.add(configDigest);
      const tags = (names ?? image.names).filter((name) => !name.includes("@"));
      images.push({ image, tags });
    },
    async finish() {
      const manifest = images.map(({ image, tags }) => ({
        Config: configName(image.configDigest),
        RepoTags: tags,
        Layers: image.diffIds.map(layerName),
      }));
      await tar.text("manifest.json", JSON.stringify(manifest));
      await tar.text("repositories", JSON.stringify(repositories(images)));
      await tar.end();
      await file.finish();
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

function layerName(diffId: string): string {
  return `${digestHex(diffId)}.tar`;
}

function configName(digest: string): string {
  return `${digestHex(digest)}.json`;
}

function repositories(
  images: readonly { readonly image: ImageToWrite; readonly tags: readonly string[] }[],
): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {};
  for (const { image, tags } of images) {
    const top = image.diffIds.at(-1);
    if (top === undefined) continue;
    for (const tag of tags) {
      const reference = parseReference(tag);
      (found[repositoryName(reference)] ??= {})[reference.tag ?? "latest"] = digestHex(top);
    }
  }
  return found;
}
