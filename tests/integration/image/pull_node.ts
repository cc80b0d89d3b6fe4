/**
 * Pulls as on a node: a store of its own, a `pull` and two `unpack` isolates behind walls like the real
 * ones, and podman and skopeo to judge the result.
 *
 * @module
 */
import { join } from "@std/path";
import assert from "node:assert/strict";
import { run } from "../../../src/linux/mod.ts";
import {
  connectRegistry,
  connectUnpacker,
  createImages,
  type Images,
  type PullIsolates,
  type RegistryOptions,
  registryReadPaths,
  type UnpackLimits,
} from "../../../src/image/mod.ts";
import { blobChannel } from "../../../src/image/blob_stream.ts";
import { openStore, type Store } from "../../../src/storage/mod.ts";

export interface PullNode extends AsyncDisposable {
  readonly root: string;
  readonly store: Store;
  readonly images: Images;
  /** Kills the isolates, as a crash would. */
  killIsolates(): void;
  pull(reference: string, signal?: AbortSignal): Promise<string>;
  /** Runs podman on this node's store and returns what it prints. */
  podman(...args: string[]): Promise<string>;
  /** Layer directories, and whatever is half made. */
  layers(): Promise<
    { readonly complete: readonly string[]; readonly temporary: readonly string[] }
  >;
}

export interface NodeOptions {
  /** Hosts that speak plain HTTP. */
  readonly insecure?: readonly string[];
  readonly limits?: UnpackLimits;
  /** Where the store goes; a temporary directory otherwise. */
  readonly parent?: string;
  readonly pinned?: () => readonly string[];
}

/** Makes a node; disposing it removes everything. */
export async function makePullNode(options: NodeOptions = {}): Promise<PullNode> {
  const { insecure = [], limits, parent, pinned = () => [] } = options;
  const root = await Deno.makeTempDir({
    prefix: "crid-pull-",
    ...parent === undefined ? {} : { dir: parent },
  });
  const etc = join(root, "etc");
  await Deno.mkdir(etc);
  const registryOptions: RegistryOptions = {
    registries: {
      conf: join(etc, "registries.conf"),
      dropIns: [],
      recordedAliases: join(etc, "a"),
    },
    shortNameMode: "enforcing",
    policyFile: join(etc, "policy.json"),
    namespacePolicies: "",
    authFiles: [join(etc, "auth.json")],
    certificateDirs: [join(etc, "certs.d")],
    systemAuthorities: ["/etc/ssl/certs/ca-certificates.crt"],
    userAgent: "crid/test",
    retry: { delayMs: 20 },
  };
  await Deno.writeTextFile(
    registryOptions.registries.conf,
    insecure.map((host) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`).join(""),
  );
  await Deno.writeTextFile(
    registryOptions.policyFile,
    `{"default":[{"type":"insecureAcceptAnything"}]}`,
  );
  const store = await openStore({
    graphRoot: join(root, "graph"),
    runRoot: join(root, "run"),
    driver: "overlay",
    imageStore: "",
    options: [],
  });
  const isolates = startIsolates(join(root, "graph"), registryOptions);
  const images = createImages({
    store,
    isolates,
    pinned,
    registries: registryOptions.registries,
    ...limits === undefined ? {} : { limits },
  });
  const never = new AbortController().signal;
  return {
    root,
    store,
    images,
    killIsolates: isolates.kill,
    pull: (reference, signal = never) =>
      images.pull({ reference, auth: undefined, namespace: "", signal }),
    async podman(...args) {
      const { code, stdout, stderr } = await run("podman", [
        ...["--root", join(root, "graph"), "--runroot", join(root, "run")],
        ...["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--runtime", "runc"],
        ...args,
      ], { timeoutMs: 60_000 });
      const text = new TextDecoder();
      assert.equal(code, 0, `podman ${args.join(" ")}: ${text.decode(stderr as Uint8Array)}`);
      return text.decode(stdout as Uint8Array).trim();
    },
    async layers() {
      const list = async (path: string) => {
        try {
          return (await Array.fromAsync(Deno.readDir(join(root, "graph", path)))).map((e) =>
            e.name
          );
        } catch {
          return [];
        }
      };
      const isTemporary = (name: string) => name.startsWith("temp-dir-");
      return {
        complete: (await list("overlay")).filter((name) => /^[0-9a-f]{64}$/.test(name)),
        temporary: [
          ...(await list("overlay/tempdirs")).filter(isTemporary),
          ...(await list("overlay-layers/tmp")).filter(isTemporary),
        ],
      };
    },
    async [Symbol.asyncDispose]() {
      isolates.kill();
      await store[Symbol.asyncDispose]();
      await run("umount", ["-l", join(root, "graph", "overlay")], { timeoutMs: 10_000 });
      await Deno.remove(root, { recursive: true });
    },
  };
}

function startIsolates(
  graphRoot: string,
  options: RegistryOptions,
): PullIsolates & { kill(): void } {
  const workers = new Set<Worker>();
  const free: (Awaited<ReturnType<typeof connectUnpacker>>)[] = [];
  const waiting: (() => void)[] = [];
  let registry: ReturnType<typeof connectRegistry> | undefined;
  let unpackers = 0;
  let generation = 0;
  const start = (name: string, permissions: Deno.PermissionOptionsObject, message = {}) => {
    const worker = new Worker(new URL(`./workers/${name}.ts`, import.meta.url), {
      type: "module",
      deno: { permissions },
    });
    workers.add(worker);
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ port: port2, ...message }, [port2]);
    return port1;
  };
  return {
    registry() {
      registry ??= connectRegistry(start("pull", {
        net: true,
        read: [...registryReadPaths(options)],
      }, { options }));
      return registry;
    },
    channel: blobChannel,
    async unpacker() {
      while (free.length === 0 && unpackers === 2) {
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      if (free.length === 0) {
        unpackers++;
        const permissions = { ffi: true, read: [graphRoot], write: [graphRoot], sys: true };
        free.push(await connectUnpacker(start("unpack", permissions)));
      }
      const unpacker = free.pop()!;
      const mine = generation;
      return {
        unpack: (request, signal) => unpacker.unpack(request, signal),
        [Symbol.dispose]() {
          if (mine === generation) free.push(unpacker);
          for (const wake of waiting.splice(0)) wake();
        },
      };
    },
    kill() {
      for (const worker of workers) worker.terminate();
      workers.clear();
      generation++;
      registry = undefined;
      unpackers = 0;
      free.length = 0;
    },
  };
}
