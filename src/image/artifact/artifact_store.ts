import { dirname, join } from "@std/path";
import { CridError, errorMessage } from "../../failure/mod.ts";
import { OfdLock } from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";
import {
  additionalEntries,
  artifactsIn,
  type Entry,
  indexState,
  joined,
  readEntries,
  REF_NAME,
} from "./artifact_layout.ts";
import { removeStaleTempDirs, TempDir } from "../../storage/mod.ts";
import { receiveBlob } from "../blob_stream.ts";
import { digestHex } from "../digest.ts";
import { writeBlobFile } from "../transports/blob_file.ts";
import { blobName } from "../transports/oci_layout.ts";
import type { BlobDescriptor, Image, RegistryPeer, ResolvedImage } from "../types.ts";
import { parseArtifact } from "./artifact_manifest.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** How often a pull begins again because somebody has removed a blob that it had found in the store. */
const MAX_ATTEMPTS = 3;

/**
 * OCI artifacts in an image layout at `<graphRoot>/artifacts`, as CRI-O keeps them. Blobs and index are
 * changed under the lock of containers/common's artifact store.
 */
export class ArtifactStore {
  readonly #root: string;
  readonly #additional: readonly string[];
  #listed: { readonly indexes: string; readonly images: readonly Image[] } | undefined;

  /** @param additional Directories with `artifacts` in them that are only read. */
  constructor(graphRoot: string, additional: readonly string[] = []) {
    this.#root = join(graphRoot, "artifacts");
    this.#additional = additional.map((directory) => join(directory, "artifacts"));
  }

  /** The artifact of this full name in an additional store, which needs no pull: its id. */
  async present(name: string): Promise<string | undefined> {
    for (const root of this.#additional) {
      const entry = (await additionalEntries(root))
        .find(({ annotations }) => annotations?.[REF_NAME] === name);
      if (entry === undefined) continue;
      log.info(
        `Artifact ${name} already exists in additional store ${dirname(root)}, skipping pull`,
      );
      return digestHex(entry.digest);
    }
    return undefined;
  }

  /** Fetches what is missing of an artifact and records it. @returns Its id. */
  async pull(image: ResolvedImage, registry: RegistryPeer, signal: AbortSignal): Promise<string> {
    await Deno.mkdir(this.#at("blobs/sha256"), { recursive: true, mode: 0o700 });
    await removeStaleTempDirs(this.#at("tmp"));
    await using temporary = TempDir.create(this.#at("tmp"));
    const scratch = temporary.path;
    await writeFlushed(join(scratch, digestHex(image.configDigest)), image.config);
    await writeFlushed(join(scratch, digestHex(image.manifestDigest)), image.manifest);
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      for (const blob of image.layers) await this.#fetch(blob, image, registry, scratch, signal);
      if (await this.#publish(image, scratch)) return digestHex(image.manifestDigest);
    }
    throw new CridError("aborted", `artifact ${image.name}: its files are removed again and again`);
  }

  /** Puts the files in their places and records them; `false` when one of them is missing. */
  async #publish(image: ResolvedImage, scratch: string): Promise<boolean> {
    using _lock = await this.#lock();
    const digests = [image.configDigest, image.manifestDigest, ...image.layers.map(digestOf)];
    for (const digest of new Set(digests)) {
      const [partial, target] = [join(scratch, digestHex(digest)), this.#at(blobName(digest))];
      if (await exists(partial)) {
        await Deno.mkdir(dirname(target), { recursive: true });
        await Deno.rename(partial, target);
      } else if (!await exists(target)) return false;
    }
    const entry: Entry = {
      mediaType: MANIFEST,
      digest: image.manifestDigest,
      size: image.manifest.length,
      annotations: { [REF_NAME]: image.name },
    };
    const others = (await readEntries(this.#root))
      .filter((each) => each.annotations?.[REF_NAME] !== image.name);
    await this.#write([...others, entry]);
    return true;
  }

  /**
   * All artifacts, as images without a configuration; those of additional stores are pinned. The same list
   * until an index has changed.
   */
  async list(): Promise<readonly Image[]> {
    const roots = [this.#root, ...this.#additional];
    const indexes = roots.map(indexState).join();
    if (this.#listed?.indexes === indexes) return this.#listed.images;
    const ids = new Set<string>();
    const byId = new Map<string, Image>();
    for (const root of roots) {
      const isOwn = root === this.#root;
      const entries = isOwn ? await this.#entries() : await additionalEntries(root);
      for (const { digest } of entries) ids.add(digestHex(digest));
      for (const image of await artifactsIn(root, entries)) {
        const known = byId.get(image.id);
        const whole = known === undefined ? image : joined(known, image);
        byId.set(image.id, isOwn ? whole : { ...whole, pinned: true });
      }
    }
    const images = [...byId.values()];
    // One that could not be read is tried again.
    this.#listed = images.length < ids.size ? undefined : { indexes, images };
    return images;
  }

  /** A damaged index must not hide the images; whoever would change it gets to know. */
  async #entries(): Promise<readonly Entry[]> {
    try {
      return await readEntries(this.#root);
    } catch (error) {
      log.error("artifacts cannot be listed", { error: errorMessage(error) });
      return [];
    }
  }

  /** Removes an artifact; with a name, only that name, and the artifact with its last one. */
  async remove(id: string, name: string | undefined): Promise<void> {
    const own = await readEntries(this.#root);
    const elsewhere = await this.#rootOf(id);
    if (elsewhere !== this.#root && !own.some(({ digest }) => digestHex(digest) === id)) {
      throw new CridError(
        "failed_precondition",
        `remove artifact ${id}: it is in ${elsewhere}, which is only read`,
      );
    }
    using _lock = await this.#lock();
    await this.#write(
      (await readEntries(this.#root)).filter((entry) =>
        digestHex(entry.digest) !== id ||
        name !== undefined && entry.annotations?.[REF_NAME] !== name
      ),
    );
    await this.#collect();
  }

  /** A directory with the artifact's files by their titles. */
  async directory(id: string): Promise<string> {
    const path = this.#at(`mounts/${id}`);
    const root = await this.#rootOf(id);
    const manifest = parseArtifact(await Deno.readFile(join(root, `blobs/sha256/${id}`)));
    if (manifest === undefined) throw new CridError("internal", `artifact ${id} is damaged`);
    await Deno.mkdir(path, { recursive: true });
    for (const { title, digest } of manifest.files) {
      const file = join(path, title);
      await Deno.mkdir(dirname(file), { recursive: true });
      if (!await exists(file)) await linkOrCopy(join(root, blobName(digest)), file);
    }
    return path;
  }

  /** The first layout that has an artifact; this store's own if none has. */
  async #rootOf(id: string): Promise<string> {
    const has = (entries: readonly Entry[]) =>
      entries.some(({ digest }) => digestHex(digest) === id);
    if (has(await this.#entries())) return this.#root;
    for (const root of this.#additional) if (has(await additionalEntries(root))) return root;
    return this.#root;
  }

  async #fetch(
    blob: BlobDescriptor,
    { session }: ResolvedImage,
    registry: RegistryPeer,
    scratch: string,
    signal: AbortSignal,
  ): Promise<void> {
    const partial = join(scratch, digestHex(blob.digest));
    if (await exists(partial) || await exists(this.#at(blobName(blob.digest)))) return;
    const { port1, port2 } = new MessageChannel();
    const failed = new AbortController();
    const stop = AbortSignal.any([signal, failed.signal]);
    const fetched = registry.fetchBlob({ session, blob, port: port1, verify: "digest" }, stop);
    const written = writeBlobFile(partial, receiveBlob(port2, stop), stop);
    for (const half of [fetched, written]) half.catch((error) => failed.abort(error));
    await Promise.allSettled([fetched, written]);
    stop.throwIfAborted();
    const { digest } = await written;
    if (blob.digest.startsWith("sha256:") && digest !== blob.digest) {
      throw new CridError("invalid_argument", `expected ${blob.digest}, got ${digest}`);
    }
    await flush(partial);
  }

  /** Excludes everybody else who changes the artifacts: tasks and processes. */
  async #lock(): Promise<OfdLock> {
    return await OfdLock.acquire(this.#at("index.lock"), "write");
  }

  /** Needs the lock. */
  async #write(manifests: readonly Entry[]): Promise<void> {
    await Deno.writeTextFile(this.#at("oci-layout"), `{"imageLayoutVersion":"1.0.0"}`);
    const temporary = this.#at(".index.json");
    const index = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, manifests }));
    await writeFlushed(temporary, index);
    await Deno.rename(temporary, this.#at("index.json"));
  }

  /** Deletes blobs and directories that no artifact has any more. Needs the lock. */
  async #collect(): Promise<void> {
    const used = new Set<string>();
    for (const { digest } of await readEntries(this.#root)) {
      used.add(digestHex(digest));
      const manifest = parseArtifact(await Deno.readFile(this.#at(blobName(digest))));
      for (const blob of [manifest?.config, ...manifest?.files ?? []]) {
        if (blob !== undefined) used.add(digestHex(blob.digest));
      }
    }
    for (const directory of ["blobs/sha256", "blobs/sha512"]) await this.#sweep(directory, used);
    // Containers may have the directories of those in additional stores mounted.
    for (const root of this.#additional) {
      for (const { digest } of await additionalEntries(root)) used.add(digestHex(digest));
    }
    await this.#sweep("mounts", used);
  }

  async #sweep(directory: string, used: ReadonlySet<string>): Promise<void> {
    try {
      for await (const { name } of Deno.readDir(this.#at(directory))) {
        if (!used.has(name)) {
          await Deno.remove(this.#at(join(directory, name)), { recursive: true });
        }
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #at(path: string): string {
    return join(this.#root, path);
  }
}

function digestOf({ digest }: BlobDescriptor): string {
  return digest;
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.writeFile(path, bytes);
  await flush(path);
}

/** What the index names has to be there after a power loss, and so has the index. */
async function flush(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.syncData();
}

/** A link costs nothing; an additional store may be on another file system. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await Deno.link(from, to);
  } catch {
    const partial = `${to}.new`;
    await Deno.copyFile(from, partial);
    await Deno.rename(partial, to);
  }
}

function exists(path: string): Promise<boolean> {
  return Deno.lstat(path).then(() => true, () => false);
}
