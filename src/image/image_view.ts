import type { ImageRecord, Store } from "../storage/mod.ts";
import { imageUser, parseConfig } from "./image_config.ts";
import { isPinned } from "./pinned.ts";
import { parseReference, repositoryName } from "./reference.ts";
import type { Image, ImageConfig } from "./types.ts";

/** What never changes for an image id, so that it is read once. */
interface Content {
  /** Which big data it was read with: another pull may add some, which changes the size. */
  readonly dataNames: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly config: ImageConfig;
  readonly configJson: string;
}

/** Turns the store's records into images as CRI tells of them. */
export class ImageView {
  readonly #store: Store;
  readonly #pinned: () => readonly string[];
  readonly #content = new Map<string, Content>();
  /** The store gives the same record until somebody changes its images. */
  readonly #images = new WeakMap<ImageRecord, { image: Image; pinned: readonly string[] }>();

  /** @param pinned The same list until it has changed. */
  constructor(store: Store, pinned: () => readonly string[]) {
    this.#store = store;
    this.#pinned = pinned;
  }

  /** @throws {CridError} When the image's config or manifest cannot be read. */
  async image(record: ImageRecord): Promise<Image> {
    const pinned = this.#pinned();
    const known = this.#images.get(record);
    if (known?.pinned === pinned) return known.image;
    const { size, annotations, config, configJson } = await this.#contentOf(record);
    const repoTags = record.names.filter((name) => !name.includes("@"));
    const repoDigests = repoDigestsOf(record);
    const image: Image = {
      id: record.id,
      repoTags,
      repoDigests,
      size,
      ...imageUser(config.user),
      // What cannot be removed must not be chosen by the kubelet's collection.
      pinned: record.readOnly === true ||
        isPinned(pinned, [record.id, ...repoTags, ...repoDigests]),
      annotations,
      config,
      configJson,
    };
    this.#images.set(record, { image, pinned });
    return image;
  }

  /** Forgets what was read of images other than these. */
  keepOnly(records: readonly ImageRecord[]): void {
    if (this.#content.size <= records.length) return;
    const ids = new Set(records.map((record) => record.id));
    for (const id of this.#content.keys()) if (!ids.has(id)) this.#content.delete(id);
  }

  async #contentOf(record: ImageRecord): Promise<Content> {
    const dataNames = record.bigDataNames.join(" ");
    const known = this.#content.get(record.id);
    if (known?.dataNames === dataNames) return known;
    const bytes = await this.#store.imageData(record.id, `sha256:${record.id}`);
    const content: Content = {
      dataNames,
      size: Math.max(1, await this.#store.imageSize(record.id)),
      annotations: annotationsOf(await this.#store.imageData(record.id, "manifest")),
      config: parseConfig(bytes).config,
      configJson: new TextDecoder().decode(bytes),
    };
    this.#content.set(record.id, content);
    return content;
  }
}

/**
 * `name@digest` for the names that the record has with a digest; an image that has tags is known by every
 * digest in every of its repositories.
 */
function repoDigestsOf(record: ImageRecord): string[] {
  const digests = new Set(record.names.filter((name) => name.includes("@")));
  if (digests.size === record.names.length) return [...digests];
  for (const repository of repositoriesOf(record)) {
    for (const digest of record.digests) digests.add(`${repository}@${digest}`);
  }
  return [...digests];
}

function repositoriesOf(record: ImageRecord): Set<string> {
  return new Set(record.names.flatMap((name) => {
    // Another tool may have recorded what this one would not accept as a name.
    try {
      return [repositoryName(parseReference(name))];
    } catch {
      return [];
    }
  }));
}

/** The annotations of a manifest of whatever kind; none if it has none. */
function annotationsOf(manifest: Uint8Array): Record<string, string> {
  try {
    const { annotations } = JSON.parse(new TextDecoder().decode(manifest));
    return Object.fromEntries(
      Object.entries(annotations ?? {}).filter((entry): entry is [string, string] =>
        typeof entry[1] === "string"
      ),
    );
  } catch {
    return {};
  }
}
