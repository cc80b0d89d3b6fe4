import { CridError, errorMessage } from "../../failure/mod.ts";
import { digestHex, isDigest, quote, verifyDigest } from "../digest.ts";
import {
  choosePlatform,
  type ImageManifest,
  type ListEntry,
  parseIndex,
  parseManifest,
} from "../manifest.ts";
import { hostPlatform, type Platform } from "../platform.ts";
import { formatReference, parseReference } from "../reference.ts";
import type { ArchiveImage, ImageArchive } from "./archive.ts";
import { type ArchiveFiles, readSmall } from "./archive_files.ts";

/** Limits of containers/image. */
const INDEX_BYTES = 4 * 1024 * 1024;
const DOCUMENT_BYTES = 4 * 1024 * 1024;
const MAX_LIST_DEPTH = 2;

/** Where tools keep the name of an image; containerd's is always a full one. */
const FULL_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";

/**
 * Reads an image layout (OCI image-spec, image-layout.md).
 *
 * @throws {CridError} `invalid_argument` when it is none.
 */
export async function readOciLayout(
  files: ArchiveFiles,
  platform: Platform = hostPlatform(),
): Promise<ImageArchive> {
  const { entries } = parseIndex(await readSmall(files, "index.json", INDEX_BYTES));
  const document = async (what: string, digest: string) => {
    const bytes = await readSmall(files, blobName(digest), DOCUMENT_BYTES);
    verifyDigest(`${what} in ${files.path}`, bytes, digest);
    return bytes;
  };
  return {
    images: entries.map((entry, index): ArchiveImage => ({
      index,
      names: namesOf(entry),
      label: entry.annotations[REF_NAME] ?? "",
    })),
    async open(index) {
      const entry = entries[index];
      if (entry === undefined) {
        throw new CridError("not_found", `${files.path} has no image ${index}`);
      }
      const top = { digest: entry.digest, bytes: await document("manifest", entry.digest) };
      let found = { ...top, parsed: parseManifest(top.bytes, entry.mediaType) };
      for (let depth = 0; found.parsed.kind === "list"; depth++) {
        if (depth === MAX_LIST_DEPTH) {
          throw new CridError("invalid_argument", `${files.path}: indexes nest too deeply`);
        }
        const { digest, mediaType } = choosePlatform(found.parsed, platform);
        const bytes = await document("manifest", digest);
        found = { digest, bytes, parsed: parseManifest(bytes, mediaType) };
      }
      const { config, layers } = found.parsed as ImageManifest;
      return {
        digest: top.digest,
        manifest: found.bytes,
        manifestDigest: found.digest,
        list: found.digest === top.digest ? undefined : top,
        config: await document("config", config.digest),
        configDigest: config.digest,
        layers,
      };
    },
    blob: ({ digest }) => files.stream(blobName(digest)),
  };
}

/** The path of a blob; the digest has been checked to be one. */
export function blobName(digest: string): string {
  if (!isDigest(digest)) throw new CridError("invalid_argument", `${quote(digest)} is no digest`);
  return `blobs/${digest.slice(0, digest.indexOf(":"))}/${digestHex(digest)}`;
}

/** The name of an image in a layout is free text; a bare tag names nothing. */
function namesOf({ annotations }: ListEntry): string[] {
  const text = annotations[FULL_NAME] ?? annotations[REF_NAME] ?? "";
  const name = fullName(text);
  return name === undefined ? [] : [name];
}

/**
 * The full form of a name in an archive: what has no registry belongs to this host. `undefined` for what
 * is no name, and for a bare tag.
 */
export function fullName(text: string): string | undefined {
  if (!/[/:@]/.test(text)) return undefined;
  try {
    const [first = ""] = text.split("/", 1);
    const hasHost = text.includes("/") && (/[.:]/.test(first) || first === "localhost");
    return formatReference(parseReference(hasHost ? text : `localhost/${text}`));
  } catch (error) {
    if (error instanceof CridError) return undefined;
    throw new Error(errorMessage(error));
  }
}
