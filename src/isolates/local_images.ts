import type { Config } from "../config/mod.ts";
import {
  createImages,
  credentialOptions,
  type Images,
  type PullIsolates,
  type PushPeer,
  registriesFiles,
  type RegistryPeer,
} from "../image/mod.ts";
import { logForWorker } from "../observe/mod.ts";
import { openStore, type Store } from "../storage/mod.ts";
import type { FromCri } from "./messages.ts";
import { storeOptions } from "./options.ts";
import { SupervisedPullIsolates } from "./pull_isolates.ts";
import { PullWorkers } from "./pull_workers.ts";
import { pinnedImages } from "./reload.ts";

/** The images of a store without a daemon: the locks on disk order it with one that runs. */
export interface LocalImages extends AsyncDisposable {
  readonly store: Store;
  readonly images: Images;
  readonly scratch: string;
  registry(): Promise<RegistryPeer>;
  push(): Promise<PushPeer>;
  /** As `images`, but pulling from `source` in place of registries and archives. */
  from(source: RegistryPeer): Images;
}

/**
 * Opens the store of a configuration. Registries and archives are read behind the same walls as in the
 * daemon.
 *
 * @param archives Files and directories that images are to be read from.
 */
export async function openLocalImages(
  config: Config,
  version: string,
  archives: readonly string[] = [],
): Promise<LocalImages> {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openStore(storeOptions(config)));
  const base = config.image.big_files_temporary_dir || "/var/tmp";
  await Deno.mkdir(base, { recursive: true });
  const scratch = await Deno.makeTempDir({ dir: base, prefix: "crid-image-" });
  stack.defer(() => Deno.remove(scratch, { recursive: true }));
  const isolates = startedHere(config, version, [...archives, scratch]);
  stack.use(isolates);
  const pinned = pinnedImages(config);
  const options = {
    store,
    pinned: () => pinned,
    registries: registriesFiles(config),
    credentials: credentialOptions(config),
    additionalArtifactStores: config.runtime.additional_artifact_stores,
  };
  const owned = stack.move();
  return {
    store,
    images: createImages({ ...options, isolates: isolates.pull }),
    scratch,
    registry: () => isolates.pull.registry(),
    push: () => isolates.pull.push(),
    from: (source) => {
      const pull: PullIsolates = {
        registry: () => Promise.resolve(source),
        channel: () => isolates.pull.channel(),
        unpacker: (signal) => isolates.pull.unpacker(signal),
      };
      return createImages({ ...options, isolates: pull });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The isolates of pulls, started by this process itself. */
function startedHere(config: Config, version: string, archives: readonly string[]) {
  const workers = new PullWorkers((id) => pull.gone(id));
  const tell = (message: FromCri) => {
    if (message.kind === "release") workers.release(message.id);
    if (message.kind !== "need") return;
    const { id, role } = message;
    const port = workers.start(id, role, { config, version, log: logForWorker() }, archives);
    pull.started(id, port);
  };
  const pull = new SupervisedPullIsolates(tell, navigator.hardwareConcurrency);
  return { pull, [Symbol.dispose]: () => workers[Symbol.dispose]() };
}
