import { CridError } from "../../failure/mod.ts";
import type { PushPeer } from "../registry/push.ts";
import type { RegistryAuth } from "../types.ts";
import type { ImageDestination } from "./destination.ts";
import { dockerArchive } from "./docker_archive_destination.ts";
import { fullName } from "./oci_layout.ts";
import { ociArchive, ociDirectory } from "./oci_destination.ts";
import { registryDestination } from "./registry_destination.ts";
import type { TransportName } from "./transport_name.ts";

/** What writing to a destination needs. */
export interface DestinationOptions {
  /** The isolate that talks to registries; asked for only when the image goes to one. */
  registry(): Promise<PushPeer>;
  readonly auth: RegistryAuth | undefined;
  /** Where blobs wait until their size is known. */
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/**
 * Opens where images are to be written.
 *
 * @throws {CridError} `invalid_argument` for a place that images are not written to.
 */
export async function openDestination(
  name: TransportName,
  options: DestinationOptions,
): Promise<ImageDestination> {
  switch (name.kind) {
    case "docker":
      return await registryDestination(
        await options.registry(),
        name.reference,
        options.auth,
        options.signal,
      );
    case "oci":
      return await ociDirectory(name.path, name.image);
    case "oci-archive":
      return await ociArchive(name.path, name.image, options.scratch);
    case "docker-archive":
      return await dockerArchive(name.path, archiveNames(name.image));
    case "containers-storage":
      throw new CridError(
        "invalid_argument",
        "to write to another store, pull from this one there",
      );
  }
}

function archiveNames(image: string | undefined): readonly string[] | undefined {
  if (image === undefined) return undefined;
  const name = fullName(image.includes(":") ? image : `${image}:latest`);
  if (name !== undefined) return [name];
  throw new CridError("invalid_argument", `${JSON.stringify(image)} is no image name`);
}
