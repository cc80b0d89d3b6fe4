/**
 * Images as the rest of crid asks for them.
 *
 * @module
 */

/** Credentials that came with a request. Never logged. */
export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  /** base64 of `user:password`, used when there is no user name. */
  readonly auth: string;
  readonly serverAddress: string;
  readonly identityToken: string;
  readonly registryToken: string;
}

/** Credentials that were found on the host for one pull. Never logged. */
export interface HostCredentials {
  /** A file that counts in place of all auth files; the path is for messages. */
  readonly authFile?: { readonly path: string; readonly text: string };
  /** By registry host, from helper programs. */
  readonly byRegistry: Readonly<Record<string, RegistryAuth>>;
}

export interface PullRequest {
  /** As the client wrote it: `busybox`, `host/repo:tag`, `host/repo@sha256:…`. */
  readonly reference: string;
  readonly auth: RegistryAuth | undefined;
  /** Pod namespace, for namespaced credentials and policies; `""` when unknown. */
  readonly namespace: string;
  /** cgroup parent of the pod, for pulls that run there; `""` or nothing when unknown. */
  readonly cgroupParent?: string;
  /** Ends the wait of this caller; the pull ends when nobody waits any more. */
  readonly signal?: AbortSignal;
  /** Called as the pull goes on, for whoever began it. */
  readonly onProgress?: (progress: PullProgress) => void;
}

/** What happens to one blob of an image that is pulled or pushed. */
export interface PullProgress {
  readonly digest: string;
  /** Bytes so far, and in all; `undefined` when that is not known beforehand. */
  readonly bytes: number;
  readonly size: number | undefined;
  readonly state: "waiting" | "moving" | "done" | "present";
}

/** What to load from an archive. */
export interface LoadRequest {
  /** `oci-archive:/path:@0` and the like. */
  readonly source: string;
  /** Names to give it in place of those that the archive gives it. */
  readonly names?: readonly string[];
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: PullProgress) => void;
}

/** The config of an image as far as running it and CRI need it. */
export interface ImageConfig {
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly stopSignal: string;
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly os: string;
  readonly architecture: string;
}

/** One image in the terms of CRI. */
export interface Image {
  /** 64 hex characters; also the image_ref of every answer. */
  readonly id: string;
  /** `name:tag`, as pulled. */
  readonly repoTags: readonly string[];
  /** `name@digest`. */
  readonly repoDigests: readonly string[];
  /** Bytes, never 0. */
  readonly size: number;
  /** From the config's user: a number, or a name, or neither. */
  readonly uid: number | undefined;
  readonly username: string;
  readonly pinned: boolean;
  /** The manifest's annotations. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly config: ImageConfig;
  /** The whole config document, JSON text, for verbose answers. */
  readonly configJson: string;
  /** Set for an OCI artifact, which can be mounted and not run. */
  readonly artifactType?: string;
}

export interface FsUsage {
  readonly mountpoint: string;
  readonly bytes: number;
  readonly inodes: number;
}

/** The image side of the runtime. */
export interface Images {
  /** Pulls, or joins the running pull of the same thing; returns the image id. */
  pull(request: PullRequest): Promise<string>;
  /** Takes an image over from an archive; returns its id. */
  load(request: LoadRequest): Promise<string>;
  /** A directory with the files of an artifact, for a read-only volume. */
  artifactDirectory(id: string): Promise<string>;
  /** What an archive holds: `oci-archive:/path`. */
  archiveImages(
    source: string,
    signal: AbortSignal,
  ): Promise<readonly import("./transports/archive.ts").ArchiveImage[]>;
  /** By id, unique id prefix, name (`:latest` added, short names resolved) or digest. */
  find(reference: string): Promise<Image | undefined>;
  /**
   * Refuses an image of this node that the policy of a pod's namespace does not let run.
   *
   * @throws {CridError} `permission_denied`.
   */
  requireAllowed(image: {
    readonly id: string;
    /** What a client has asked for: a name or an id. */
    readonly asked: string;
    /** What the pod's author has written; `""` from clients that do not tell. */
    readonly userSpecified: string;
    readonly namespace: string;
  }): Promise<void>;
  /** All images and artifacts; the same list until something has changed. */
  list(): Promise<readonly Image[]>;
  /**
   * An id removes the image with all its names; a name removes that name, and the image with its
   * last one. Unknown is no error.
   */
  remove(reference: string): Promise<void>;
  /** What images and what containers take up. */
  fsUsage(): Promise<{ readonly images: FsUsage; readonly containers: FsUsage }>;
}

/**
 * The network half of a pull, as the `cri` isolate talks to it. The `pull` isolate implements it;
 * it alone reaches registries, credentials, certificates and registries.conf.
 */
export interface RegistryPeer {
  /**
   * Finds the reference at its mirrors or registry and returns the manifest for this platform with
   * everything that led to it. All digests are verified.
   */
  resolve(request: {
    readonly reference: string;
    readonly auth: RegistryAuth | undefined;
    readonly namespace: string;
    /** Used when `auth` has none for the registry. */
    readonly credentials?: HostCredentials;
  }, signal: AbortSignal): Promise<ResolvedImage>;
  /**
   * Streams one blob of a resolved image into `port` (see image/blob_stream.ts for the protocol),
   * verifies size and digest, and resolves when all of it was taken.
   */
  fetchBlob(
    request: {
      /** From {@linkcode ResolvedImage.session}. */
      readonly session: number;
      readonly blob: BlobDescriptor;
      readonly port: BlobPort;
      /** `size` leaves the digest to the taker, who hashes the bytes anyway; `digest` if not given. */
      readonly verify?: "digest" | "size";
    },
    signal: AbortSignal,
    onBytes?: (bytes: number) => void,
  ): Promise<void>;
  /** What an archive (`oci-archive:/path`) holds; each may be resolved as `oci-archive:/path:@<index>`. */
  archiveImages(
    source: string,
    signal: AbortSignal,
  ): Promise<readonly import("./transports/archive.ts").ArchiveImage[]>;
  /** The image is done: forget its tokens and connections. */
  close(session: number): void;
}

export interface BlobDescriptor {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
  readonly urls: readonly string[];
}

export interface ResolvedImage {
  readonly session: number;
  /**
   * Full logical name, never a mirror's: `docker.io/library/busybox:1` or `name@digest`. `""` for an image
   * of an archive that gives it none.
   */
  readonly name: string;
  /** More names that an archive gives the image. */
  readonly otherNames?: readonly string[];
  /** Digest by which the image was asked for or found (a list's, if there was one). */
  readonly digest: string;
  readonly manifest: Uint8Array;
  readonly manifestDigest: string;
  /** The list that led to the manifest. */
  readonly list: { readonly bytes: Uint8Array; readonly digest: string } | undefined;
  readonly config: Uint8Array;
  readonly configDigest: string;
  readonly layers: readonly BlobDescriptor[];
  /** Set when it is an OCI artifact: the layers are files. */
  readonly artifactType?: string;
  /** Signatures of the manifest that the policy asked for, as the store keeps them. */
  readonly signatures?: readonly Uint8Array[];
}

/** One unpack worker's job: blob bytes arrive on `port`; the paths are a LayerStaging's. */
export interface UnpackPeer {
  unpack(
    request: {
      readonly port: BlobPort;
      readonly paths: { readonly diff: string; readonly tarSplit: string };
      readonly limits: UnpackLimits;
    },
    signal: AbortSignal,
  ): Promise<import("../storage/mod.ts").UnpackedLayer>;
}

export interface UnpackLimits {
  /** Bytes of the uncompressed tar. */
  readonly maxSize: number;
  readonly maxEntries: number;
}

/** One end of a channel for the bytes of a blob. */
export type BlobPort = MessagePort | NamedPort;

/** One end of a channel in another process, where both of its ends are used. */
export interface NamedPort {
  readonly channel: number;
  readonly end: "producer" | "consumer";
}

/** A channel for the bytes of one blob. Disposing it closes the ends that nobody has taken. */
export interface BlobChannel extends Disposable {
  readonly producer: BlobPort;
  readonly consumer: BlobPort;
}

/** Starts the isolates that a pull needs, and stops them when nobody uses them any more. */
export interface PullIsolates {
  registry(): Promise<RegistryPeer>;
  /** A channel from the registry's isolate to an unpack worker. */
  channel(): BlobChannel;
  /** Waits for a free unpack worker; disposing the lease frees it. */
  unpacker(signal: AbortSignal): Promise<UnpackPeer & Disposable>;
}
