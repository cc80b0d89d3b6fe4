/**
 * Images and lists of images, in the formats of OCI and of Docker schema 2.
 *
 * @module
 */
import { type Blob, bytesBlob, type Layer } from "./layer.ts";
import { EPOCH } from "./tar.ts";

export type Format = "docker" | "oci";

/** The `config` member of an image config; names as in OCI image-spec, config.md. */
export interface RunConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
}

/** A manifest or an index, with the media type it is served as. */
export interface Manifest {
  readonly mediaType: string;
  readonly blob: Blob;
}

/** What a registry needs to serve one reference. */
export interface BuiltImage {
  /** What the tag names. */
  readonly manifest: Manifest;
  /** Manifests below an index, pushed by digest before it. */
  readonly children: readonly Manifest[];
  readonly blobs: readonly Blob[];
  /** Digest of the config, which is the image id; `""` of an index. */
  readonly configDigest: string;
}

export interface ImageOptions {
  readonly format?: Format;
  readonly architecture?: string;
  readonly os?: string;
  readonly variant?: string;
  /** Manifest annotations; OCI only. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** This machine's architecture by its Go name, as images call it. */
export const GOARCH = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const MEDIA_TYPES = {
  docker: {
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    list: "application/vnd.docker.distribution.manifest.list.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
    layer: {
      gzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
      // Docker has no name of its own for zstd; builders use the gzip one and readers look at the bytes.
      zstd: "application/vnd.docker.image.rootfs.diff.tar.gzip",
      none: "application/vnd.docker.image.rootfs.diff.tar",
    },
  },
  oci: {
    manifest: "application/vnd.oci.image.manifest.v1+json",
    list: "application/vnd.oci.image.index.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
    layer: {
      gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
      zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
      none: "application/vnd.oci.image.layer.v1.tar",
    },
  },
} as const;

/** Builds an image for this machine, or for the platform in `options`. */
export function image(
  layers: readonly Layer[],
  config: RunConfig = {},
  options: ImageOptions = {},
): BuiltImage {
  const types = MEDIA_TYPES[options.format ?? "docker"];
  const created = new Date(EPOCH * 1000).toISOString();
  const configBlob = jsonBlob({
    architecture: options.architecture ?? GOARCH,
    os: options.os ?? "linux",
    ...(options.variant === undefined ? {} : { variant: options.variant }),
    created,
    config: { Env: [DEFAULT_PATH], ...config },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map((_, index) => ({ created, created_by: `tests/images layer ${index}` })),
  });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptor(types.config, configBlob),
    layers: layers.map(({ blob, compression }) => descriptor(types.layer[compression], blob)),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  });
  return {
    manifest: { mediaType: types.manifest, blob: manifest },
    children: [],
    blobs: [configBlob, ...layers.map((layer) => layer.blob)],
    configDigest: configBlob.digest,
  };
}

/** One image of an index and the platform it is listed under. */
export interface IndexEntry {
  readonly image: BuiltImage;
  readonly platform: {
    readonly os: string;
    readonly architecture: string;
    readonly variant?: string;
  };
}

/** Builds an OCI index or a Docker manifest list. */
export function index(entries: readonly IndexEntry[], format: Format = "oci"): BuiltImage {
  const mediaType = MEDIA_TYPES[format].list;
  const blob = jsonBlob({
    schemaVersion: 2,
    mediaType,
    manifests: entries.map(({ image, platform }) => ({
      ...descriptor(image.manifest.mediaType, image.manifest.blob),
      platform,
    })),
  });
  return {
    manifest: { mediaType, blob },
    children: entries.map(({ image }) => image.manifest),
    blobs: entries.flatMap(({ image }) => image.blobs),
    configDigest: "",
  };
}

/** An OCI artifact: a manifest whose layers are files, not a root file system. */
export function artifact(
  artifactType: string,
  files: readonly { readonly name: string; readonly mediaType: string; readonly blob: Blob }[],
): BuiltImage {
  const mediaType = MEDIA_TYPES.oci.manifest;
  const config = jsonBlob({});
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType,
    artifactType,
    config: descriptor("application/vnd.oci.empty.v1+json", config),
    layers: files.map(({ name, mediaType, blob }) => ({
      ...descriptor(mediaType, blob),
      annotations: { "org.opencontainers.image.title": name },
    })),
  });
  return {
    manifest: { mediaType, blob: manifest },
    children: [],
    blobs: [config, ...files.map((file) => file.blob)],
    configDigest: config.digest,
  };
}

function descriptor(mediaType: string, { digest, size }: Blob) {
  return { mediaType, digest, size };
}

function jsonBlob(value: unknown): Blob {
  return bytesBlob(new TextEncoder().encode(JSON.stringify(value)));
}
