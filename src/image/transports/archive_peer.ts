/**
 * Archives as the `pull` isolate serves them: they are no more trusted than a registry.
 *
 * @module
 */

import { CridError } from "../../failure/mod.ts";
import { type Chunk, sendBlob } from "../blob_stream.ts";
import { digestMismatch, hashFor, quote } from "../digest.ts";
import { checkArchivePolicy, type Policy } from "../registry/policy.ts";
import type { BlobDescriptor, RegistryPeer } from "../types.ts";
import type { ArchiveImage, ImageArchive } from "./archive.ts";
import { directoryFiles, tarFiles } from "./archive_files.ts";
import { readDockerArchive } from "./docker_archive.ts";
import { readOciLayout } from "./oci_layout.ts";
import { type ArchiveName, parseTransport } from "./transport_name.ts";

/** Marks a reference that names an archive, and not an image of a registry: `oci:5000/app` is one of those. */
const ARCHIVE = /^(?:oci|oci-archive|docker-archive):\//;

/**
 * Adds archives to a registry peer: references with their transport in front go to them.
 *
 * @param loadPolicy Reads policy.json anew.
 */
export function withArchives(
  registry: RegistryPeer,
  loadPolicy: () => Promise<Policy>,
): RegistryPeer {
  const sessions = new Map<number, ImageArchive>();
  // Registries count up, archives down.
  let last = 0;
  return {
    async resolve(request, signal) {
      if (!ARCHIVE.test(request.reference)) return await registry.resolve(request, signal);
      const name = parseTransport(request.reference) as ArchiveName;
      checkArchivePolicy(await loadPolicy(), name);
      const archive = await openArchive(name);
      const chosen = choose(archive, name);
      const image = await archive.open(chosen.index);
      sessions.set(--last, archive);
      const [first = "", ...otherNames] = chosen.names;
      return { ...image, name: first, otherNames, session: last };
    },
    async archiveImages(source) {
      const archive = await openArchive(parseTransport(source) as ArchiveName);
      return archive.images;
    },
    async fetchBlob(request, signal, onBytes) {
      if (request.session >= 0) return await registry.fetchBlob(request, signal, onBytes);
      const { session, blob, port, verify } = request;
      const archive = sessions.get(session);
      const open = () => {
        if (archive === undefined) throw new CridError("failed_precondition", "no such archive");
        return verified(archive.blob(blob), blob, verify ?? "digest", onBytes);
      };
      await sendBlob(port, open, signal);
    },
    close(session) {
      if (session >= 0) registry.close(session);
      else sessions.delete(session);
    },
  };
}

async function openArchive({ kind, path }: ArchiveName): Promise<ImageArchive> {
  switch (kind) {
    case "oci":
      return await readOciLayout(directoryFiles(path));
    case "oci-archive":
      return await readOciLayout(await tarFiles(path));
    case "docker-archive":
      return await readDockerArchive(await tarFiles(path));
  }
}

/** By place (`@0`), by name, or the only one. */
function choose({ images }: ImageArchive, { path, image }: ArchiveName): ArchiveImage {
  if (image === undefined) {
    const [only, second] = images;
    if (only !== undefined && second === undefined) return only;
    throw new CridError(
      "invalid_argument",
      `${path} holds ${images.length} images; say which one: ${path}:@0 or ${path}:<name>`,
    );
  }
  const index = /^@(\d{1,6})$/.exec(image)?.[1];
  const found = index === undefined
    ? images.find(({ names, label }) => names.includes(image) || label === image)
    : images[Number(index)];
  if (found !== undefined) return found;
  throw new CridError("not_found", `${path} has no image ${quote(image)}`);
}

async function* verified(
  source: AsyncIterable<Chunk>,
  blob: BlobDescriptor,
  verify: "digest" | "size",
  onBytes: ((bytes: number) => void) | undefined,
): AsyncGenerator<Chunk> {
  const hash = verify === "digest" ? hashFor(blob.digest) : undefined;
  let size = 0;
  for await (const chunk of source) {
    hash?.update(chunk);
    size += chunk.length;
    if (size > blob.size) break;
    onBytes?.(size);
    yield chunk;
  }
  if (size !== blob.size) {
    throw new CridError(
      "invalid_argument",
      `blob ${blob.digest}: wrong size: the manifest says ${blob.size} bytes, the archive has ` +
        `${size > blob.size ? "more" : size}`,
    );
  }
  if (hash === undefined) return;
  const actual = `${blob.digest.slice(0, blob.digest.indexOf(":"))}:${hash.digest("hex")}`;
  if (actual !== blob.digest) throw digestMismatch(`blob ${blob.digest}`, blob.digest, actual);
}
