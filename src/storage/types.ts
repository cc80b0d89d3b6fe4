/**
 * The types of the store: images, layers and containers as containers/storage keeps them on disk.
 *
 * @module
 */

/** `sha256:<64 hex>`; the only algorithm that the store records. */
export type Digest = string;

/** Where the store is and how its file systems are mounted. */
export interface StoreOptions {
  /** Persistent root, `/var/lib/containers/storage`. */
  readonly graphRoot: string;
  /** Root of what must not survive a reboot, `/run/containers/storage`. */
  readonly runRoot: string;
  /** The graph driver: `overlay`, `btrfs` or `vfs`. */
  readonly driver: string;
  /** A separate root for images, or `""`. */
  readonly imageStore: string;
  /** `overlay.mountopt=nodev` and the like, as in storage.conf and `storage_option`. */
  readonly options: readonly string[];
}

/** How a container's ids map to the host's. */
export interface IdMap {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

/** The maps of a user namespace; empty lists mean none. */
export interface IdMaps {
  readonly uids: readonly IdMap[];
  readonly gids: readonly IdMap[];
}

/** One image as `images.json` has it. */
export interface ImageRecord {
  /** Hex of the config's digest. */
  readonly id: string;
  /** Digest of the manifest, or of the manifest list it was pulled through. */
  readonly digest: Digest | undefined;
  /** Every digest under which the image's manifests are known. */
  readonly digests: readonly Digest[];
  /** Full names, newest first: `docker.io/library/busybox:latest`. */
  readonly names: readonly string[];
  readonly namesHistory: readonly string[];
  /** Id of the top layer; `undefined` for an image without layers. */
  readonly layer: string | undefined;
  readonly bigDataNames: readonly string[];
  /** JSON text of who has written it; missing when there is nothing in it, as for an unsigned image. */
  readonly metadata?: string;
  /** The config's creation time, not the pull's. */
  readonly created: Date | undefined;
  /** Set when it is in an additional image store, from which nothing can be removed. */
  readonly readOnly?: boolean;
}

/** One layer as `layers.json` has it. */
export interface LayerRecord {
  readonly id: string;
  readonly parent: string | undefined;
  readonly names: readonly string[];
  /** Digest of the blob as received. */
  readonly compressedDigest: Digest | undefined;
  readonly compressedSize: number | undefined;
  /** Digest of the uncompressed tar; `undefined` for a container's layer. */
  readonly diffDigest: Digest | undefined;
  /** Bytes of the uncompressed tar. */
  readonly diffSize: number | undefined;
}

/** One container as `containers.json` or `volatile-containers.json` has it. */
export interface ContainerRecord {
  readonly id: string;
  readonly names: readonly string[];
  /** Id of its image, `""` for none. */
  readonly image: string;
  /** Id of its writable layer. */
  readonly layer: string;
  /** JSON text of the container's owner; CRI-O's form is in pod/. */
  readonly metadata: string;
  readonly created: Date;
  readonly idMaps: IdMaps;
  /** `undefined` when it was made without SELinux. */
  readonly labels: SelinuxLabels | undefined;
}

/** SELinux labels of a container. */
export interface SelinuxLabels {
  readonly process: string;
  readonly mount: string;
}

/** What a new image consists of. Its layers must be in the store already. */
export interface NewImage {
  readonly id: string;
  readonly names: readonly string[];
  readonly layer: string | undefined;
  /** The digest it was asked for by or pulled through (a list's, if there was one). */
  readonly digest: Digest;
  readonly created: Date | undefined;
  /** Big data by key: `manifest`, `manifest-sha256:…`, `sha256:…` (the config), signatures. */
  readonly bigData: ReadonlyMap<string, Uint8Array>;
  /** JSON text, `{}` for an unsigned image. */
  readonly metadata: string;
}

/** What a new container needs; it is recorded as volatile, as CRI-O's are. */
export interface NewContainer {
  readonly id: string;
  readonly names: readonly string[];
  /** Image id, or `undefined` for an empty root file system (a pod sandbox). */
  readonly image: string | undefined;
  readonly metadata: string;
  readonly idMaps?: IdMaps;
  /** Its root file system is mounted with the second. */
  readonly labels?: SelinuxLabels | undefined;
}

/** How a blob was compressed, found from its first bytes. */
export type Compression = "none" | "gzip" | "bzip2" | "xz" | "zstd";

/** What unpacking one layer has found out. */
export interface UnpackedLayer {
  readonly diffDigest: Digest;
  readonly diffSize: number;
  readonly compressedDigest: Digest;
  readonly compressedSize: number;
  readonly compression: Compression;
  /** Sorted owner ids seen, whiteouts excluded. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
}

/** The places that an unpack worker may write to for one layer. Plain data: it crosses isolates. */
export interface StagingPaths {
  /** Empty directory that becomes the layer's `diff`. */
  readonly diff: string;
  /** File that becomes `<layer>.tar-split.gz`. */
  readonly tarSplit: string;
}

/** A layer being made outside the locks. It is removed unless committed. */
export interface LayerStaging extends AsyncDisposable {
  /** The id that the layer will have: a function of its parent and DiffID. */
  readonly id: string;
  readonly paths: StagingPaths;
  /**
   * Checks the digests, takes the locks and publishes the layer; if someone else published it in
   * the meantime, theirs is used.
   *
   * @throws {CridError} `invalid_argument` when the DiffID is not the one asked for.
   */
  commit(unpacked: UnpackedLayer): Promise<LayerRecord>;
}

/** Bytes and inodes in use. */
export interface StoreUsage {
  readonly bytes: number;
  readonly inodes: number;
}

/**
 * The store. Every call takes the locks that podman, buildah and skopeo take, sees what they have
 * changed, and leaves what it does not know in the files.
 */
export interface Store extends AsyncDisposable {
  readonly options: StoreOptions;

  /** All images, cached until someone changes the store. */
  images(): Promise<readonly ImageRecord[]>;
  /** By id, name, unique id prefix (3 characters at least) or `name@digest`. */
  image(idOrName: string): Promise<ImageRecord | undefined>;
  /** @throws {CridError} `not_found`. */
  imageData(id: string, key: string): Promise<Uint8Array>;
  /** Bytes of the image's layers and big data (facts: sum of diff sizes and big data sizes). */
  imageSize(id: string): Promise<number>;
  /** Records an image, or adds names and data to the one with this id. Takes the names from others. */
  createImage(image: NewImage): Promise<ImageRecord>;
  /** Replaces the names of an image; the names are taken from other images. */
  setImageNames(id: string, names: readonly string[]): Promise<void>;
  /**
   * Deletes an image and the layers that nothing else uses. Unknown ids are no error.
   *
   * @throws {CridError} `failed_precondition` when a container uses it, naming the container.
   */
  deleteImage(id: string): Promise<void>;

  layer(id: string): Promise<LayerRecord | undefined>;
  /** The id of the layer with this DiffID on this parent (the chain formula of containers/storage). */
  layerId(parent: string | undefined, diffId: Digest): string;
  /** Begins a layer on `parent`; check {@linkcode Store.layer} with its id first. */
  stageLayer(parent: string | undefined, diffId: Digest): Promise<LayerStaging>;

  containers(): Promise<readonly ContainerRecord[]>;
  container(id: string): Promise<ContainerRecord | undefined>;
  /** @throws {CridError} `already_exists` for a taken id or name, `not_found` for an unknown image. */
  createContainer(container: NewContainer): Promise<ContainerRecord>;
  setContainerMetadata(id: string, metadata: string): Promise<void>;
  /** Unmounts and deletes a container, its layer and both of its directories. Unknown is no error. */
  deleteContainer(id: string): Promise<void>;
  /**
   * Mounts the container's root file system and returns its path; counts in mountpoints.json.
   *
   * @param userNamespace Path of a user namespace with the maps of a container that has some.
   */
  mountContainer(id: string, userNamespace?: string): Promise<string>;
  /** Unmounts it whatever the count says; unknown or unmounted is no error. */
  unmountContainer(id: string): Promise<void>;
  /**
   * Mounts an image's top layer read-only (for image volumes); counts as above.
   *
   * @param label SELinux label of all its files.
   */
  mountImage(id: string, label?: string): Promise<string>;
  /** Undoes one {@linkcode Store.mountImage}; unknown or unmounted is no error. */
  unmountImage(id: string): Promise<void>;
  /** `<graphRoot>/<driver>-containers/<id>/userdata`, persistent. */
  containerDir(id: string): string;
  /** `<runRoot>/<driver>-containers/<id>/userdata`, gone after a reboot. */
  containerRunDir(id: string): string;
  /** The writable directory of a container's layer, for its disk usage. */
  containerUpperDir(id: string): Promise<string | undefined>;

  /** Removes half-made and unreferenced things that a crash left. */
  collectGarbage(): Promise<void>;
  /** What images take up, for ImageFsInfo, and the directory it is about. */
  imageFsUsage(): Promise<StoreUsage & { readonly mountpoint: string }>;
  containerFsUsage(): Promise<StoreUsage & { readonly mountpoint: string }>;
}
