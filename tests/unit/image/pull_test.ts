import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { CridError, isCode } from "../../../src/failure/mod.ts";
import { blobChannel, receiveBlob, sendBlob } from "../../../src/image/blob_stream.ts";
import { createImages } from "../../../src/image/images.ts";
import type {
  Images,
  PullRequest,
  RegistryPeer,
  ResolvedImage,
  UnpackPeer,
} from "../../../src/image/types.ts";
import type { ImageRecord, NewImage, Store, UnpackedLayer } from "../../../src/storage/mod.ts";

const sha = (bytes: Uint8Array | string) =>
  "sha256:" + createHash("sha256").update(bytes).digest("hex");
const bytes = (text: string) => new TextEncoder().encode(text);

/** As much of a store as a pull needs, in memory: what is staged and what is committed can be seen. */
class MemoryStore {
  readonly options = { graphRoot: "/nonexistent" };
  readonly layers = new Set<string>();
  readonly records = new Map<string, ImageRecord>();
  readonly data = new Map<string, Uint8Array>();
  readonly commits: string[] = [];
  staged = 0;
  #listed: readonly ImageRecord[] | undefined;
  beforeCommit: (id: string) => void = () => {};

  layerId(parent: string | undefined, diffId: string): string {
    const hex = diffId.slice(7);
    return parent === undefined ? hex : sha(`${parent}+${hex}`).slice(7);
  }
  layer(id: string) {
    return Promise.resolve(this.layers.has(id) ? { id } : undefined);
  }
  stageLayer(parent: string | undefined, diffId: string) {
    const id = this.layerId(parent, diffId);
    this.staged++;
    return Promise.resolve({
      id,
      paths: { diff: `/${id}`, tarSplit: "" },
      commit: (_: UnpackedLayer) => {
        this.beforeCommit(id);
        assert.ok(parent === undefined || this.layers.has(parent), "committed before its parent");
        this.layers.add(id);
        this.commits.push(id);
        return Promise.resolve({ id });
      },
      [Symbol.asyncDispose]: () => Promise.resolve(void this.staged--),
    });
  }
  createImage(image: NewImage) {
    const digests = [...image.bigData.keys()].filter((key) => key.startsWith("manifest-"))
      .map((key) => key.slice("manifest-".length));
    const known = this.records.get(image.id);
    const record = {
      ...image,
      digests: [...new Set([...known?.digests ?? [], ...digests])],
      names: [...new Set([...image.names, ...known?.names ?? []])],
      namesHistory: [],
      bigDataNames: [...image.bigData.keys()],
    };
    for (const [key, value] of image.bigData) this.data.set(`${image.id} ${key}`, value);
    this.#listed = undefined;
    this.records.set(image.id, record);
    return Promise.resolve(record);
  }
  images() {
    return Promise.resolve(this.#listed ??= [...this.records.values()]);
  }
  image(name: string) {
    const all = [...this.records.values()];
    const [repository, digest] = name.split("@");
    return Promise.resolve(
      all.find(({ id, names }) => id.startsWith(name) || names.includes(name)) ??
        all.find(({ digests, names }) =>
          digest !== undefined && digests.includes(digest) &&
          names.some((each) => each.startsWith(repository!))
        ),
    );
  }
  imageData(id: string, key: string) {
    return Promise.resolve(this.data.get(`${id} ${key}`)!);
  }
  imageSize() {
    return Promise.resolve(0);
  }
  setImageNames(id: string, names: string[]) {
    this.#listed = undefined;
    this.records.set(id, { ...this.records.get(id)!, names });
    return Promise.resolve();
  }
  deleteImage(id: string) {
    this.#listed = undefined;
    this.records.delete(id);
    return Promise.resolve();
  }
}

/** A registry and unpackers in this isolate; each step can be held up or made to fail. */
class World {
  readonly store = new MemoryStore();
  readonly images: Images;
  readonly fetched: string[] = [];
  pinned = ["*pinned*"];
  resolves = 0;
  sessions = 0;
  leases = 0;
  onResolve: (reference: string, signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  onFetch: (content: string, signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  corrupt: Partial<UnpackedLayer> = {};
  user = "";

  constructor() {
    const registry: RegistryPeer = {
      resolve: async ({ reference }, signal) => {
        this.resolves++;
        await this.onResolve(reference, signal);
        this.sessions++;
        return this.image(reference);
      },
      fetchBlob: ({ blob, port }, signal) =>
        sendBlob(
          port,
          async function* (this: World, stop: AbortSignal) {
            const content = blob.mediaType;
            await this.onFetch(content, stop);
            this.fetched.push(content);
            yield bytes(content);
          }.bind(this),
          signal,
        ),
      archiveImages: () => Promise.resolve([]),
      close: () => void this.sessions--,
    };
    const unpacker: UnpackPeer = {
      unpack: async ({ port }, signal) => {
        let text = "";
        for await (const chunk of receiveBlob(port, signal)) {
          text += new TextDecoder().decode(chunk);
        }
        return {
          diffDigest: sha(text),
          diffSize: text.length,
          compressedDigest: sha(text),
          compressedSize: text.length,
          compression: "none",
          uids: [0],
          gids: [0],
          ...this.corrupt,
        };
      },
    };
    this.images = createImages({
      store: this.store as unknown as Store,
      isolates: {
        registry: () => Promise.resolve(registry),
        channel: blobChannel,
        unpacker: () => {
          this.leases++;
          return Promise.resolve({ ...unpacker, [Symbol.dispose]: () => void this.leases-- });
        },
      },
      pinned: () => this.pinned,
    });
  }

  /** `host/repo:base+a+b` has the layers base, a and b. */
  image(reference: string): ResolvedImage {
    const [name, digest] = reference.split("@");
    const contents = /:(.*)$/.exec(name!)![1]!.split("_");
    const config = bytes(JSON.stringify({
      rootfs: { diff_ids: contents.map(sha) },
      config: { User: this.user },
    }));
    const manifest = bytes(`manifest of ${contents}`);
    const list = bytes(`list of ${contents}`);
    return {
      session: 1,
      name: digest === undefined ? name! : `${name!.replace(/:[^:/]*$/, "")}@${sha(list)}`,
      digest: sha(list),
      list: { bytes: list, digest: sha(list) },
      manifest,
      manifestDigest: sha(manifest),
      config,
      configDigest: sha(config),
      layers: contents.map((content) => ({
        digest: sha(content),
        size: content.length,
        mediaType: content,
        urls: [],
      })),
    };
  }

  pull(reference: string, rest: Partial<PullRequest> = {}): Promise<string> {
    return this.images.pull({ reference, auth: undefined, namespace: "", ...rest });
  }

  /** Nothing half made is left. */
  assertQuiet(): void {
    assert.deepEqual(
      { staged: this.store.staged, sessions: this.sessions, leases: this.leases },
      { staged: 0, sessions: 0, leases: 0 },
    );
  }
}

/** A gate that opens when the test says so, or throws when the waiting one is told to stop. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  return {
    open: resolve,
    reached: reached.promise,
    wait: (signal: AbortSignal) => {
      reached.resolve();
      return new Promise<void>((pass, fail) => {
        promise.then(pass);
        signal.addEventListener("abort", () => fail(signal.reason), { once: true });
      });
    },
  };
}

describe("a pull", () => {
  it("stores layers from the base up and then the image, with list, manifest and config", async () => {
    const world = new World();
    world.onFetch = (content) =>
      new Promise((resolve) => setTimeout(resolve, content === "base" ? 30 : 0));
    const id = await world.pull("h.io/app:base_a_b");
    const { configDigest, manifestDigest, digest } = world.image("h.io/app:base_a_b");
    assert.equal(id, configDigest.slice(7));
    assert.equal(world.store.commits.length, 3);
    const record = world.store.records.get(id)!;
    assert.equal(record.layer, world.store.commits.at(-1));
    assert.equal(record.digest, digest);
    assert.deepEqual(
      new Set(record.bigDataNames),
      new Set(["manifest", `manifest-${manifestDigest}`, `manifest-${digest}`, configDigest]),
    );
    world.assertQuiet();
  });

  it("fetches nothing that is there already", async () => {
    const world = new World();
    await world.pull("h.io/app:base_a");
    await world.pull("h.io/other:base_a");
    await world.pull("h.io/app:base_a_b");
    assert.deepEqual(world.fetched.sort(), ["a", "b", "base"]);
  });

  it("is one for all who ask for the same, and another for other credentials", async () => {
    const world = new World();
    const held = gate();
    world.onResolve = (_, signal) => held.wait(signal);
    const auth = {
      username: "u",
      password: "p",
      auth: "",
      serverAddress: "",
      identityToken: "",
      registryToken: "",
    };
    const pulls = [
      world.pull("h.io/app:base"),
      world.pull("h.io/app:base"),
      world.pull("h.io/app:base", { auth }),
      world.pull("h.io/app:base", { namespace: "n" }),
    ];
    await held.reached;
    held.open();
    assert.equal(new Set(await Promise.all(pulls)).size, 1);
    assert.equal(world.resolves, 3);
    assert.deepEqual(world.fetched, ["base"], "the layer is shared between the pulls");
    world.assertQuiet();
  });

  it("goes on when one who waits leaves, and stops when the last one does", async () => {
    const world = new World();
    const held = gate();
    world.onFetch = (_, signal) => held.wait(signal);
    const [one, two] = [new AbortController(), new AbortController()];
    const first = world.pull("h.io/app:base", { signal: one.signal });
    const second = world.pull("h.io/app:base", { signal: two.signal });
    await held.reached;
    one.abort(new CridError("cancelled", "first left"));
    await assert.rejects(first, /first left/);
    assert.equal(world.store.staged, 1);
    two.abort(new CridError("deadline_exceeded", "second left"));
    await assert.rejects(second, (error) => isCode(error, "deadline_exceeded"));
    world.assertQuiet();
    assert.equal(world.store.records.size, 0);
    world.onFetch = () => Promise.resolve();
    await world.pull("h.io/app:base");
  });

  it("finishes a shared layer though the pull that began it has been given up", async () => {
    const world = new World();
    const held = gate();
    world.onFetch = (content, signal) => content === "base" ? held.wait(signal) : Promise.resolve();
    const leaving = new AbortController();
    const first = world.pull("h.io/one:base_a_x", { signal: leaving.signal });
    first.catch(() => {});
    await held.reached;
    const second = world.pull("h.io/two:base_a_y");
    await new Promise((resolve) => setTimeout(resolve, 20));
    leaving.abort(new Error("left"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    held.open();
    await assert.rejects(first, /left/);
    await second;
    assert.equal(world.fetched.filter((content) => content === "base").length, 1);
    world.assertQuiet();
  });

  it("makes a shared layer itself when the pulls before it fail to", async () => {
    const world = new World();
    const held = gate();
    const places = ["first", "second"];
    world.onFetch = async (content, signal) => {
      const place = content === "base" ? places.shift() : undefined;
      if (place === undefined) return;
      await held.wait(signal);
      throw new CridError("unavailable", `the ${place} registry broke`);
    };
    const first = world.pull("h.io/one:base_x");
    first.catch(() => {});
    await held.reached;
    const others = [world.pull("h.io/two:base_y"), world.pull("h.io/three:base_z")];
    for (const other of others) other.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
    held.open();
    await assert.rejects(first, /pull h\.io\/one:base_x: the first registry broke/);
    await assert.rejects(others[0]!, /pull h\.io\/two:base_y: the second registry broke/);
    await others[1];
    world.assertQuiet();
  });

  const failures: [string, (world: World) => void, RegExp][] = [
    ["the registry does not know it", (world) => {
      world.onResolve = () => Promise.reject(new CridError("not_found", "no such manifest"));
    }, /no such manifest/],
    ["a layer cannot be fetched", (world) => {
      world.onFetch = (content) =>
        content === "b" ? Promise.reject(new CridError("unavailable", "cut")) : Promise.resolve();
    }, /^pull h\.io\/app:base_a_b: cut$/],
    ["a layer is not what the manifest says", (world) => {
      world.corrupt = { compressedDigest: sha("x") };
    }, /layer sha256:\w+: digest mismatch/],
    ["a layer has another size than the manifest says", (world) => {
      world.corrupt = { compressedSize: 99 };
    }, /wrong size/],
    ["a layer's content is not what the config says", (world) => {
      world.corrupt = { diffDigest: sha("x") };
    }, /content of layer sha256:\w+: digest mismatch/],
    ["the disk is full", (world) => {
      world.store.beforeCommit = () => {
        throw new CridError("resource_exhausted", "no space left on device");
      };
    }, /no space left/],
  ];
  for (const [what, arrange, text] of failures) {
    it(`leaves nothing half made when ${what}, and works when tried again`, async () => {
      const world = new World();
      const healthy = new World();
      arrange(world);
      await assert.rejects(
        world.pull("h.io/app:base_a_b"),
        (error) => text.test(String((error as Error).message)),
      );
      world.assertQuiet();
      assert.equal(world.store.records.size, 0);
      Object.assign(world, {
        onResolve: healthy.onResolve,
        onFetch: healthy.onFetch,
        corrupt: {},
      });
      world.store.beforeCommit = () => {};
      await world.pull("h.io/app:base_a_b");
    });
  }

  it("gives the image the name that was asked for, whatever the isolate of registries says", async () => {
    const world = new World();
    const image = world.image.bind(world);
    world.image = (reference) => ({
      ...image(reference),
      name: "docker.io/library/nginx:latest",
      otherNames: ["docker.io/library/busybox:latest"],
    });
    const id = await world.pull("h.io/app:base");
    assert.deepEqual(world.store.records.get(id)?.names, ["h.io/app:base"]);
  });

  it("puts the kubelet's word at the beginning of the message", async () => {
    const world = new World();
    world.onResolve = () =>
      Promise.reject(new CridError("unavailable", "RegistryUnavailable: registry h.io is away"));
    await assert.rejects(
      world.pull("h.io/app:x"),
      /^CridError: RegistryUnavailable: pull h\.io\/app:x: registry h\.io is away/,
    );
  });

  it("refuses a bad reference before anything is started", async () => {
    const world = new World();
    await assert.rejects(world.pull("../x"), (error) => isCode(error, "invalid_argument"));
    assert.equal(world.resolves, 0);
  });

  it("tries again when somebody removes a layer in between", async () => {
    const world = new World();
    let first = true;
    world.store.beforeCommit = () => {
      if (!first) return;
      first = false;
      throw new CridError("aborted", "its parent was removed meanwhile");
    };
    await world.pull("h.io/app:base_a");
    world.assertQuiet();
  });
});

describe("images", () => {
  it("are found by id, prefix of an id, tag, digest, and name without tag", async () => {
    const world = new World();
    const id = await world.pull("h.io/app:latest");
    const { digest, manifestDigest } = world.image("h.io/app:latest");
    const found = (await world.images.find(id))!;
    assert.equal(found.id, id);
    assert.deepEqual(found.repoTags, ["h.io/app:latest"]);
    assert.deepEqual(
      new Set(found.repoDigests),
      new Set([`h.io/app@${digest}`, `h.io/app@${manifestDigest}`]),
    );
    assert.ok(found.size > 0);
    for (
      const reference of [
        `sha256:${id}`,
        id.slice(0, 12),
        "h.io/app",
        "h.io/app:latest",
        `h.io/app:ignored@${digest}`,
        ...found.repoDigests,
      ]
    ) assert.deepEqual(await world.images.find(reference), found, reference);
    for (const reference of ["h.io/app:x", "f".repeat(64), "abc", "h.io/APP", "", digest]) {
      assert.equal(await world.images.find(reference), undefined, reference);
    }
  });

  it("pulled by digest have that digest, no tag, and no other digest", async () => {
    const world = new World();
    const { digest } = world.image("h.io/app:x");
    const id = await world.pull(`h.io/app:x@${digest}`);
    const found = (await world.images.find(id))!;
    assert.deepEqual(found.repoTags, []);
    assert.deepEqual(found.repoDigests, [`h.io/app@${digest}`]);
  });

  it("of two registries with one content are one", async () => {
    const world = new World();
    const id = await world.pull("one.io/pause:3");
    assert.equal(await world.pull("two.io/pause:3"), id);
    const [image, ...others] = await world.images.list();
    assert.equal(others.length, 0);
    assert.deepEqual(new Set(image!.repoTags), new Set(["one.io/pause:3", "two.io/pause:3"]));
    await world.images.remove("one.io/pause:3");
    assert.deepEqual((await world.images.find(id))!.repoTags, ["two.io/pause:3"]);
    await world.images.remove("two.io/pause:3");
    assert.equal(await world.images.find(id), undefined);
  });

  it("are removed with all names by their id, as often as anybody likes", async () => {
    const world = new World();
    const id = await world.pull("one.io/pause:3");
    await world.pull("two.io/pause:3");
    await Promise.all(Array.from({ length: 5 }, () => world.images.remove(id)));
    assert.deepEqual(await world.images.list(), []);
    await world.images.remove(id);
    await world.images.remove("never/heard:of");
    await world.images.remove("!!!");
  });

  it("lose the names of a repository when they are removed by its digest", async () => {
    const world = new World();
    const { digest } = world.image("one.io/pause:3");
    await world.pull("one.io/pause:3");
    const id = await world.pull("two.io/pause:3");
    await world.images.remove(`one.io/pause@${digest}`);
    assert.deepEqual((await world.images.find(id))!.repoTags, ["two.io/pause:3"]);
  });

  it("tell their user and whether they are pinned", async () => {
    const world = new World();
    world.user = "1003:1004";
    const id = await world.pull("h.io/pinned/app:1");
    const { uid, username, pinned } = (await world.images.find(id))!;
    assert.deepEqual({ uid, username, pinned }, { uid: 1003, username: "", pinned: true });
  });

  it("that cannot be read do not hide the others", async () => {
    const world = new World();
    const id = await world.pull("h.io/bad:1");
    await world.pull("h.io/good:2");
    const key = `${id} sha256:${id}`;
    const config = world.store.data.get(key)!;
    world.store.data.set(key, bytes("{"));
    const listed = async () => (await world.images.list()).flatMap(({ repoTags }) => repoTags);
    assert.deepEqual(await listed(), ["h.io/good:2"]);
    world.store.data.set(key, config);
    assert.deepEqual(await listed(), ["h.io/bad:1", "h.io/good:2"], "tried again");
  });

  it("are the same list until something has changed", async () => {
    const world = new World();
    await world.pull("h.io/one:1");
    const list = await world.images.list();
    assert.equal(await world.images.list(), list);
    await world.pull("h.io/two:2");
    assert.deepEqual((await world.images.list()).map(({ repoTags }) => repoTags), [
      ["h.io/one:1"],
      ["h.io/two:2"],
    ]);
    world.pinned = ["h.io/one:1"];
    assert.deepEqual((await world.images.list()).map(({ pinned }) => pinned), [true, false]);
  });
});
