import { dirname, join } from "@std/path";
import { CridError, errorMessage } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import { receiveBlob } from "../blob_stream.ts";
import { digestHex } from "../digest.ts";
import { parseReference, repositoryName } from "../reference.ts";
import { writeBlobFile } from "../transports/blob_file.ts";
import { blobName } from "../transports/oci_layout.ts";
import type { BlobDescriptor, Image, RegistryPeer, ResolvedImage } from "../types.ts";
import { parseArtifact } from "./artifact_manifest.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

interface Entry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** OCI artifacts in an image layout at `<graphRoot>/artifacts`, as CRI-O keeps them. */
export class ArtifactStore {
  readonly #root: string;
  /** Changes of the index come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(graphRoot: string) {
    this.#root = join(graphRoot, "artifacts");
  }

  /** Fetches what is missing of an artifact and records it. @returns Its id. */
  async pull(image: ResolvedImage, registry: RegistryPeer, signal: AbortSignal): Promise<string> {
    await Deno.mkdir(this.#at("blobs/sha256"), { recursive: true, mode: 0o700 });
    const scratch = await Deno.makeTempDir({ dir: this.#root, prefix: ".pull-" });
    try {
      for (const blob of image.layers) await this.#fetch(blob, image, registry, scratch, signal);
      await this.#write(scratch, image.configDigest, image.config);
      await this.#write(scratch, image.manifestDigest, image.manifest);
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
    const entry: Entry = {
      mediaType: MANIFEST,
      digest: image.manifestDigest,
      size: image.manifest.length,
      annotations: { [REF_NAME]: image.name },
    };
    await this.#change((entries) => [
      ...entries.filter((each) => each.annotations?.[REF_NAME] !== image.name),
      entry,
    ]);
    return digestHex(image.manifestDigest);
  }

  /** All artifacts, as images without a configuration. */
  async list(): Promise<readonly Image[]> {
    const byId = new Map<string, Entry[]>();
    for (const entry of await this.#entries()) {
      const id = digestHex(entry.digest);
      byId.set(id, [...byId.get(id) ?? [], entry]);
    }
    const images: Image[] = [];
    for (const [id, entries] of byId) {
      try {
        images.push(await this.#image(id, entries));
      } catch (error) {
        log.error("artifact cannot be read", { id, error: errorMessage(error) });
      }
    }
    return images;
  }

  /** Removes an artifact; with a name, only that name, and the artifact with its last one. */
  async remove(id: string, name: string | undefined): Promise<void> {
    await this.#change((entries) =>
      entries.filter((entry) =>
        digestHex(entry.digest) !== id ||
        name !== undefined && entry.annotations?.[REF_NAME] !== name
      )
    );
    await this.#collect();
  }

  /** A directory with the artifact's files by their titles. */
  async directory(id: string): Promise<string> {
    const path = this.#at(`mounts/${id}`);
    const manifest = parseArtifact(await Deno.readFile(this.#at(`blobs/sha256/${id}`)));
    if (manifest === undefined) throw new CridError("internal", `artifact ${id} is damaged`);
    for (const { title, digest } of manifest.files) {
      const file = join(path, title);
      await Deno.mkdir(dirname(file), { recursive: true });
      await Deno.link(this.#at(blobName(digest)), file).catch((error) => {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      });
    }
    await Deno.mkdir(path, { recursive: true });
    return path;
  }

  async #fetch(
    blob: BlobDescriptor,
    { session }: ResolvedImage,
    registry: RegistryPeer,
    scratch: string,
    signal: AbortSignal,
  ): Promise<void> {
    const target = this.#at(blobName(blob.digest));
    if (await exists(target)) return;
    const { port1, port2 } = new MessageChannel();
    const failed = new AbortController();
    const stop = AbortSignal.any([signal, failed.signal]);
    const partial = join(scratch, digestHex(blob.digest));
    const fetched = registry.fetchBlob({ session, blob, port: port1, verify: "digest" }, stop);
    const written = writeBlobFile(partial, receiveBlob(port2, stop), stop);
    for (const half of [fetched, written]) half.catch((error) => failed.abort(error));
    await Promise.allSettled([fetched, written]);
    stop.throwIfAborted();
    await written.then(({ digest }) => {
      if (blob.digest.startsWith("sha256:") && digest !== blob.digest) {
        throw new CridError("invalid_argument", `expected ${blob.digest}, got ${digest}`);
      }
    });
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.rename(partial, target);
  }

  async #write(scratch: string, digest: string, bytes: Uint8Array): Promise<void> {
    const partial = join(scratch, digestHex(digest));
    await Deno.writeFile(partial, bytes);
    await Deno.rename(partial, this.#at(blobName(digest)));
  }

  async #image(id: string, entries: readonly Entry[]): Promise<Image> {
    const bytes = await Deno.readFile(this.#at(`blobs/sha256/${id}`));
    const manifest = parseArtifact(bytes);
    if (manifest === undefined) throw new Error("its manifest is damaged");
    const names = entries.flatMap(({ annotations }) => annotations?.[REF_NAME] ?? []);
    const repositories = new Set(names.map((name) => repositoryName(parseReference(name))));
    const size = manifest.files.reduce((sum, file) => sum + file.size, bytes.length);
    return {
      id,
      repoTags: names.filter((name) => !name.includes("@")),
      repoDigests: Array.from(repositories, (name) => `${name}@sha256:${id}`),
      size,
      uid: undefined,
      username: "",
      pinned: false,
      annotations: JSON.parse(new TextDecoder().decode(bytes)).annotations ?? {},
      config: NO_CONFIG,
      configJson: "{}",
      artifactType: manifest.type,
    };
  }

  async #entries(): Promise<readonly Entry[]> {
    try {
      const { manifests } = JSON.parse(await Deno.readTextFile(this.#at("index.json")));
      return Array.isArray(manifests) ? manifests : [];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw new CridError("internal", `read ${this.#at("index.json")}: ${errorMessage(error)}`);
    }
  }

  #change(change: (entries: readonly Entry[]) => readonly Entry[]): Promise<void> {
    const mine = this.#turn.then(async () => {
      const manifests = change(await this.#entries());
      await Deno.writeTextFile(this.#at("oci-layout"), `{"imageLayoutVersion":"1.0.0"}`);
      const temporary = this.#at(".index.json");
      await Deno.writeTextFile(temporary, JSON.stringify({ schemaVersion: 2, manifests }));
      await Deno.rename(temporary, this.#at("index.json"));
    });
    this.#turn = mine.catch(() => {});
    return mine;
  }

  /** Deletes blobs and directories that no artifact has any more. */
  async #collect(): Promise<void> {
    const used = new Set<string>();
    for (const { digest } of await this.#entries()) {
      used.add(digestHex(digest));
      const manifest = parseArtifact(await Deno.readFile(this.#at(blobName(digest))));
      for (const blob of [manifest?.config, ...manifest?.files ?? []]) {
        if (blob !== undefined) used.add(digestHex(blob.digest));
      }
    }
    for (const directory of ["blobs/sha256", "blobs/sha512", "mounts"]) {
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
  }

  #at(path: string): string {
    return join(this.#root, path);
  }
}

const NO_CONFIG: Image["config"] = {
  user: "",
  env: [],
  entrypoint: [],
  cmd: [],
  workingDir: "",
  stopSignal: "",
  volumes: [],
  labels: {},
  os: "",
  architecture: "",
};

function exists(path: string): Promise<boolean> {
  return Deno.lstat(path).then(() => true, () => false);
}
