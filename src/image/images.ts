import { CridError, errorMessage, isCode } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import type { ImageRecord, Store } from "../storage/mod.ts";
import { ArtifactStore } from "./artifact/artifact_store.ts";
import { isDigest } from "./digest.ts";
import type { HostCredentialsOptions } from "./host_credentials.ts";
import { ImageView } from "./image_view.ts";
import { withPin } from "./pinned.ts";
import { Puller } from "./pull.ts";
import {
  formatReference,
  type ImageReference,
  isShortName,
  parseReference,
  repositoryName,
} from "./reference.ts";
import { acceptsAnything, loadPolicy, policyFileFor, type PolicyFiles } from "./registry/policy.ts";
import { loadRegistriesConf, NO_REGISTRIES, type RegistriesFiles } from "./registries_conf.ts";
import { localCandidates } from "./short_names.ts";
import type { Image, Images, PullIsolates, UnpackLimits } from "./types.ts";

export interface ImagesOptions {
  readonly store: Store;
  readonly isolates: PullIsolates;
  /** The isolates for the pulls of pods below a cgroup parent, where they run apart from the others. */
  readonly isolatesIn?: (cgroupParent: string) => PullIsolates;
  /** `pinned_images` of crio.conf, and the pause image; the same list until it has changed. */
  readonly pinned: () => readonly string[];
  /** For short names of images that are here; without it `docker.io` and `localhost` are tried. */
  readonly registries?: RegistriesFiles;
  readonly limits?: UnpackLimits;
  /** Where the host has credentials that need programs or are for one namespace. */
  readonly credentials?: HostCredentialsOptions;
  /** Directories with artifacts that are only read. */
  readonly additionalArtifactStores?: readonly string[];
  /** The policies that images must meet also when they run; `policyFile` is `""` for none. */
  readonly runningPolicies?: PolicyFiles;
  /** Whether artifacts may be volumes; `supported` if not given. */
  readonly artifactMounts?: "supported" | "refused";
  /** Id of a container that uses an image, which must then stay. */
  readonly userOf?: (imageId: string) => string | undefined;
}

/** No image of the world comes near; a layer bomb does. */
const DEFAULT_LIMITS: UnpackLimits = { maxSize: 512 * 1024 ** 3, maxEntries: 50_000_000 };

const ID = /^(?:sha256:)?([0-9a-f]{64})$/;
const ID_PREFIX = /^[0-9a-f]{3,63}$/;

/** What a reference was found by. */
interface Found {
  readonly record: ImageRecord;
  /** `undefined` when it was found by its id. */
  readonly name: ImageReference | undefined;
}

/** The image side of the runtime, in the `cri` isolate. */
export function createImages(options: ImagesOptions): Images {
  const { store, isolates, pinned, limits = DEFAULT_LIMITS } = options;
  const view = new ImageView(store, pinned);
  const artifacts = new ArtifactStore(store.options.graphRoot, options.additionalArtifactStores);
  const { credentials, isolatesIn } = options;
  const puller = new Puller({ store, isolates, isolatesIn, limits, credentials, artifacts });
  let listed: { readonly of: readonly unknown[]; readonly images: readonly Image[] } | undefined;
  return {
    pull: (request) => puller.pull(request),
    artifactDirectory: async (id) => {
      if (options.artifactMounts !== "refused") return await artifacts.directory(id);
      throw new CridError(
        "failed_precondition",
        `mount artifact ${id}: oci_artifact_mount_support is false in crio.conf`,
      );
    },
    async requireAllowed({ id, asked, userSpecified, namespace }) {
      const { runningPolicies } = options;
      const file = runningPolicies && await policyFileFor(namespace, runningPolicies);
      if (file === undefined || file === "") return;
      const policy = await loadPolicy(file);
      if (acceptsAnything(policy)) return;
      const found = await findRecord(options, id);
      if (found === undefined) return;
      // Only nodes that want signatures pay for what verifies them.
      const { requireAllowed } = await import("./running_policy.ts");
      const isId = ID.test(asked) || (ID_PREFIX.test(asked) && id.startsWith(asked));
      const reference = userSpecified || (isId ? "" : asked);
      await requireAllowed(policy, { record: found.record, reference }, store);
    },
    load: (request) => puller.load(request),
    archiveImages: async (source, signal) =>
      await (await isolates.registry()).archiveImages(source, signal),
    async find(reference) {
      const found = await findRecord(options, reference);
      if (found !== undefined) return await view.image(found.record);
      const artifact = await findArtifact(artifacts, options, reference);
      return artifact && withPin(artifact.image, pinned());
    },
    async list() {
      const made = [await store.images(), await artifacts.list(), pinned()] as const;
      if (listed?.of.every((part, at) => part === made[at])) return listed.images;
      const [records, ofArtifacts, patterns] = made;
      view.keepOnly(records);
      const found = await Promise.all(records.map((record) => imageOrNothing(view, record)));
      const images = [
        ...found.filter((image) => image !== undefined),
        ...ofArtifacts.map((artifact) => withPin(artifact, patterns)),
      ];
      // One that could not be read is tried again.
      listed = found.includes(undefined) ? undefined : { of: made, images };
      return images;
    },
    async remove(reference) {
      const found = await findRecord(options, reference);
      if (found === undefined) return await removeArtifact(artifacts, options, reference);
      const { record, name } = found;
      const rest = name === undefined ? [] : record.names.filter((each) => !names(name, each));
      log.info("removing image", { image: reference, id: record.id, namesLeft: rest.length });
      if (rest.length === 0) await removeUnused(options, record.id);
      else await store.setImageNames(record.id, rest);
    },
    async fsUsage() {
      const { imageStore, graphRoot } = store.options;
      if (imageStore === "" || imageStore === graphRoot) {
        // By another name of it the kubelet would take it for a file system apart, and evict by the wrong one.
        const both = await store.imageFsUsage();
        return { images: both, containers: both };
      }
      const [images, containers] = await Promise.all([
        store.imageFsUsage(),
        store.containerFsUsage(),
      ]);
      return { images, containers };
    },
  };
}

async function removeUnused({ store, userOf }: ImagesOptions, id: string): Promise<void> {
  const user = userOf?.(id);
  if (user !== undefined) {
    throw new CridError(
      "failed_precondition",
      `remove image ${id}: the image is in use by ${user}; remove that container first`,
    );
  }
  await store.deleteImage(id);
}

interface FoundArtifact {
  readonly image: Image;
  /** `undefined` when it was found by its id. */
  readonly name: string | undefined;
}

async function findArtifact(
  artifacts: ArtifactStore,
  { registries }: ImagesOptions,
  reference: string,
): Promise<FoundArtifact | undefined> {
  const all = await artifacts.list();
  if (all.length === 0) return undefined;
  const id = ID.exec(reference)?.[1] ?? (ID_PREFIX.test(reference) ? reference : undefined);
  const byId = id === undefined ? [] : all.filter((image) => image.id.startsWith(id));
  if (byId.length === 1) return { image: byId[0]!, name: undefined };
  for (const name of (await candidates(registries, reference)).map(formatReference)) {
    const image = all.find((each) => [...each.repoTags, ...each.repoDigests].includes(name));
    if (image !== undefined) return { image, name: name.includes("@") ? undefined : name };
  }
  return undefined;
}

async function removeArtifact(
  artifacts: ArtifactStore,
  options: ImagesOptions,
  reference: string,
): Promise<void> {
  const found = await findArtifact(artifacts, options, reference);
  if (found === undefined) return;
  const { image: { id, repoTags }, name } = found;
  const user = options.userOf?.(id);
  if (user !== undefined && (name === undefined || repoTags.length === 1)) {
    throw new CridError("failed_precondition", `the image is in use by ${user}`);
  }
  log.info("removing artifact", { image: reference, id });
  await artifacts.remove(id, name);
}

/** One image that cannot be read must not hide all others; the log says which. */
async function imageOrNothing(view: ImageView, record: ImageRecord): Promise<Image | undefined> {
  try {
    return await view.image(record);
  } catch (error) {
    // It may be gone by now, or not be wholly there yet.
    if (!isCode(error, "not_found")) {
      log.error("image cannot be read", { id: record.id, error: errorMessage(error) });
    }
    return undefined;
  }
}

/**
 * An id or an unambiguous prefix of one goes before a name; text that can be neither is simply not
 * there.
 */
async function findRecord(
  { store, registries }: ImagesOptions,
  reference: string,
): Promise<Found | undefined> {
  const id = ID.exec(reference)?.[1];
  if (id !== undefined || ID_PREFIX.test(reference)) {
    const record = await store.image(id ?? reference);
    if (record?.id.startsWith(id ?? reference)) return { record, name: undefined };
    if (id !== undefined) return undefined;
  }
  for (const name of await candidates(registries, reference)) {
    const record = await store.image(formatReference(name));
    if (record !== undefined) return { record, name };
  }
  return undefined;
}

async function candidates(
  files: RegistriesFiles | undefined,
  reference: string,
): Promise<readonly ImageReference[]> {
  if (isDigest(reference)) return [];
  try {
    if (!isShortName(reference)) return [parseReference(reference)];
    const conf = files === undefined ? NO_REGISTRIES : await loadRegistriesConf(files);
    return localCandidates(conf, reference);
  } catch (error) {
    if (isCode(error, "invalid_argument")) return [];
    throw error;
  }
}

/** Whether `recorded` is the name, or for a digest, any name of the image in its repository. */
function names(name: ImageReference, recorded: string): boolean {
  if (recorded === formatReference(name)) return true;
  if (name.digest === undefined) return false;
  try {
    return repositoryName(parseReference(recorded)) === repositoryName(name);
  } catch {
    return false;
  }
}
