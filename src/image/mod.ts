/**
 * Images: references, registries, the pull pipeline and what CRI asks about images.
 *
 * The work is spread over isolates: {@linkcode createImages} lives in `cri`, {@linkcode serveRegistry} in
 * `pull`, {@linkcode serveUnpacker} in each `unpack` worker; see types.ts for what they say to each other.
 *
 * @module
 */

export type * from "./types.ts";
export { blobChannel } from "./blob_stream.ts";
export { createImages, type ImagesOptions } from "./images.ts";
export { connectRegistry, connectUnpacker, serveUnpacker, type UnpackLayer } from "./peers.ts";
export { createRegistryPeer, serveRegistry } from "./registry/peer.ts";
export {
  archiveScratch,
  credentialOptions,
  registriesFiles,
  type RegistryOptions,
  registryOptions,
  registryReadPaths,
} from "./registry/options.ts";
export { type WatchedPort, watchPort } from "./watched_port.ts";
export { type RetryPolicy } from "./registry/retry.ts";
export { loadRegistriesConf, type RegistriesFiles } from "./registries_conf.ts";
export { type ShortNameMode } from "./short_names.ts";
export { importArchives, type ImportOptions } from "./import_archives.ts";
export { openDestination } from "./transports/open_destination.ts";
export { exportImage } from "./transports/export_image.ts";
export { storePeer } from "./transports/store_peer.ts";
export { type FoundArchive, withPlainArchive } from "./transports/plain_archive.ts";
export type { ImageDestination } from "./transports/destination.ts";
export type { ArchiveImage } from "./transports/archive.ts";
export {
  type ArchiveName,
  formatArchive,
  parseTransport,
  type StoreSpecifier,
  type TransportName,
} from "./transports/transport_name.ts";
export type { PushPeer, UploadedBlob } from "./registry/push.ts";
export {
  formatReference,
  type ImageReference,
  parseReference,
  repositoryName,
} from "./reference.ts";
