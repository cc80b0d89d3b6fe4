import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { join } from "@std/path";
import { mountsBelow, umount, UmountFlag } from "../../../src/linux/mod.ts";
import {
  type ImageRecord,
  openStore,
  type Store,
  type StoreOptions,
  unpackLayer,
} from "../../../src/storage/mod.ts";

/** A store in a temporary directory, and the other tools' command lines for it. */
export class FixtureStore implements AsyncDisposable {
  readonly root: string;
  readonly options: StoreOptions;
  readonly store: Store;

  private constructor(root: string, options: StoreOptions, store: Store) {
    this.root = root;
    this.options = options;
    this.store = store;
  }

  /** @param place Directory to make it in; the usual one for temporary files if not given. */
  static async create(
    options: Partial<StoreOptions> = {},
    place?: string,
  ): Promise<FixtureStore> {
    const root = await Deno.makeTempDir({
      prefix: "crid-store-",
      ...place !== undefined && { dir: place },
    });
    const all = {
      graphRoot: join(root, "graph"),
      runRoot: join(root, "run"),
      driver: "overlay",
      imageStore: "",
      options: [],
      ...options,
    };
    return new FixtureStore(root, all, await openStore(all));
  }

  /** A second view of the same store, as another process has it. */
  reopen(): Promise<Store> {
    return openStore(this.options);
  }

  graph(...path: string[]): string {
    return join(this.options.graphRoot, ...path);
  }

  /** The text of one of the store's JSON files. */
  // deno-lint-ignore no-explicit-any
  json(...path: string[]): any {
    return JSON.parse(Deno.readTextFileSync(this.graph(...path)));
  }

  /** Runs podman on this store; fails the test unless it ends with `code`. */
  async podman(args: readonly string[], code = 0): Promise<string> {
    const command = new Deno.Command("podman", {
      args: [
        "--root",
        this.options.graphRoot,
        "--runroot",
        this.options.runRoot,
        "--storage-driver",
        this.options.driver,
        "--tmpdir",
        join(this.root, "tmp"),
        "--cgroup-manager",
        "cgroupfs",
        "--runtime",
        "runc",
        "--events-backend",
        "none",
        ...this.options.options.flatMap((option) => ["--storage-opt", option]),
        ...args,
      ],
      env: { CONTAINERS_STORAGE_CONF: this.#storageConf() },
    });
    return await checked(`podman ${args.join(" ")}`, command, code);
  }

  /** Runs skopeo with `STORE:` standing for this store's transport. */
  async skopeo(args: readonly string[]): Promise<string> {
    const { driver, graphRoot, runRoot } = this.options;
    const transport = `containers-storage:[${driver}@${graphRoot}+${runRoot}]`;
    const command = new Deno.Command("skopeo", {
      args: ["--insecure-policy", ...args.map((word) => word.replace("STORE:", transport))],
      env: { CONTAINERS_STORAGE_CONF: this.#storageConf() },
    });
    return await checked(`skopeo ${args.join(" ")}`, command, 0);
  }

  /** podman keeps what it finds in the machine's own storage.conf otherwise. */
  #storageConf(): string {
    const path = join(this.root, "storage.conf");
    const { driver, graphRoot, runRoot } = this.options;
    const lines = [
      "[storage]",
      `driver = ${JSON.stringify(driver)}`,
      `graphroot = ${JSON.stringify(graphRoot)}`,
      `runroot = ${JSON.stringify(runRoot)}`,
    ];
    // Others may be reading it.
    Deno.writeTextFileSync(`${path}.new`, lines.join("\n") + "\n");
    Deno.renameSync(`${path}.new`, path);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    for (const path of mountsBelow(this.root)) umount(path, UmountFlag.DETACH);
    await Deno.remove(this.root, { recursive: true });
  }
}

async function checked(name: string, command: Deno.Command, code: number): Promise<string> {
  const output = await command.output();
  const text = new TextDecoder();
  if (output.code !== code) {
    throw new Error(`${name} ended with ${output.code}: ${text.decode(output.stderr)}`);
  }
  return text.decode(output.stdout);
}

/** `sha256:…` of bytes. */
export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** What {@linkcode putImage} has put into the store. */
export interface PutImage {
  readonly image: ImageRecord;
  readonly layerIds: readonly string[];
  readonly manifestDigest: string;
}

/** Puts an image of these archives into the store, layer by layer, as a pull does. */
export async function putImage(
  store: Store,
  name: string,
  tars: readonly Uint8Array[],
  config: Readonly<Record<string, unknown>> = {},
): Promise<PutImage> {
  const blobs = tars.map((tar) => gzipSync(tar));
  const configText = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    created: "2024-01-02T03:04:05Z",
    config,
    rootfs: { type: "layers", diff_ids: tars.map(sha256) },
    history: tars.map(() => ({ created_by: "test" })),
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: sha256(configText),
      size: configText.length,
    },
    layers: blobs.map((blob) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest: sha256(blob),
      size: blob.length,
    })),
  });
  let parent: string | undefined;
  const layerIds: string[] = [];
  for (const [index, blob] of blobs.entries()) {
    parent = await putLayer(store, parent, sha256(tars[index]!), blob);
    layerIds.push(parent);
  }
  const digest = sha256(manifest);
  const image = await store.createImage({
    id: sha256(configText).slice("sha256:".length),
    names: [name],
    layer: parent,
    digest,
    created: new Date("2024-01-02T03:04:05Z"),
    bigData: new Map([
      ["manifest", Buffer.from(manifest)],
      [`manifest-${digest}`, Buffer.from(manifest)],
      [sha256(configText), Buffer.from(configText)],
    ]),
    metadata: "{}",
  });
  return { image, layerIds, manifestDigest: digest };
}

/** Puts one layer into the store; returns its id. */
export async function putLayer(
  store: Store,
  parent: string | undefined,
  diffId: string,
  blob: Uint8Array,
): Promise<string> {
  await using staging = await store.stageLayer(parent, diffId);
  async function* source() {
    yield blob;
  }
  const limits = { maxSize: 1e12, maxEntries: 1e7 };
  const unpacked = await unpackLayer(
    source(),
    staging.paths,
    limits,
    new AbortController().signal,
  );
  return (await staging.commit(unpacked)).id;
}
