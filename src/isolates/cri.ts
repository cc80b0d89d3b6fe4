import { join } from "@std/path";
import { createCgroupDriver } from "../cgroup/mod.ts";
import { type Config, printToml } from "../config/mod.ts";
import {
  archiveScratch,
  createImages,
  credentialOptions,
  importArchives,
  loadRegistriesConf,
  registriesFiles,
} from "../image/mod.ts";
import { CridError, errorMessage, together, wrapError } from "../failure/mod.ts";
import { startThrough } from "../linux/mod.ts";
import { createNetwork } from "../network/mod.ts";
import { log } from "../observe/mod.ts";
import { loadHandlers, restoreInterrupts } from "../oci/mod.ts";
import { createPods } from "../pod/mod.ts";
import { serveCri } from "../server/mod.ts";
import { createStats } from "../stats/mod.ts";
import { beginRun, endRun } from "./clean_shutdown.ts";
import type { Installation } from "./messages.ts";
import { podMetrics } from "./pod_metrics.ts";
import { hostPortOptions, podOptions, specDefaults, tuningPlaces } from "./options.ts";
import { type Given, pinnedImages, putInForce } from "./reload.ts";
import { openRepairedStore } from "./repair.ts";
import { PullProcesses } from "./pull_processes.ts";
import { writeVersion } from "./version_file.ts";
import { wipeDue, wipePods, wipeWithNetwork } from "./wipe.ts";
import type { SupervisedPullIsolates } from "./pull_isolates.ts";
import { startStreams, streamUrls } from "./streams.ts";

/** The running daemon, but for its supervisor. */
export interface Cri {
  /**
   * Takes over what of a configuration can change while pods run.
   *
   * @throws {CridError} When its default runtime cannot be used; then nothing has changed.
   */
  reload(config: Config): Promise<void>;
  /** Finishes what runs, closes the socket and leaves the containers alone. */
  close(): Promise<void>;
}

/**
 * Puts the rooms together: opens the store, restores the pods, and serves the socket.
 *
 * @throws {CridError} What keeps it from serving.
 */
export async function startCri(
  config: Config,
  installation: Installation,
  isolates: SupervisedPullIsolates,
): Promise<Cri> {
  startThrough(installation.native);
  await using resources = new AsyncDisposableStack();
  const { crio } = config;
  const cgroups = await createCgroupDriver({ manager: config.runtime.cgroup_manager });
  const due = wipeDue(config, installation.version);
  const storeOpening = openRepairedStore(config);
  const handlersOf = ({ runtime }: Config) =>
    loadHandlers({
      runtimes: runtime.runtimes,
      defaultRuntime: runtime.default_runtime,
      cgroupManager: cgroups.kind,
      native: installation.native,
      monitor: installation.monitor,
      answers: join(crio.runroot, "crid-programs.json"),
    });
  const handlersLoading = handlersOf(config);
  const networkMaking = createNetwork({
    confDir: config.network.network_dir,
    pluginDirs: config.network.plugin_dirs,
    defaultNetwork: config.network.cni_default_network,
    cacheDir: "/var/lib/cni",
    owner: crio.root,
    statusGracePeriodMs: config.network.cni_status_grace_period,
    hostPorts: hostPortOptions(config),
  });
  await together(
    due,
    storeOpening.then((store) => resources.use(store)),
    networkMaking.then((network) => resources.use(network)),
    handlersLoading,
  );
  const [store, network, handlers] = await Promise.all([
    storeOpening,
    networkMaking,
    handlersLoading,
  ]);
  const given: Given = {
    config,
    handlers: new Map(handlers),
    specDefaults: specDefaults(config, cgroups),
    podOptions: podOptions(config, installation),
    pinned: pinnedImages(config),
  };
  const pullCgroup = config.runtime.separate_pull_cgroup;
  const pullProcesses = pullCgroup === "" ? undefined : resources.use(
    new PullProcesses(pullCgroup, {
      config: () => given.config,
      version: installation.version,
      cgroups,
      inProcess: isolates,
    }),
  );
  const images = createImages({
    store,
    isolates,
    ...pullProcesses && { isolatesIn: (parent) => pullProcesses.isolatesIn(parent) },
    pinned: () => given.pinned,
    registries: registriesFiles(config),
    credentials: credentialOptions(config),
    runningPolicies: {
      policyFile: config.image.signature_policy,
      namespacePolicies: config.image.signature_policy_dir,
    },
    additionalArtifactStores: config.runtime.additional_artifact_stores,
    artifactMounts: config.image.oci_artifact_mount_support ? "supported" : "refused",
    userOf: (imageId) => pods.imageUser(imageId),
  });
  const stats = createStats(cgroups);
  const closing = new AbortController();
  const pods = resources.use(
    await createPods({
      store,
      images,
      network,
      cgroups,
      handlers: given.handlers,
      stats,
      specDefaults: given.specDefaults,
      options: given.podOptions,
      closing: closing.signal,
    }),
  );
  // The file is right at once; a service manager that hangs keeps nobody waiting.
  void balanceInterrupts(config);
  const left = crio.internal_wipe ? await wipePods(await due, pods, images) : [];
  void wipeWithNetwork(left, pods, network, closing.signal);
  await together(
    writeVersion(crio.version_file, installation.version),
    writeVersion(crio.version_file_persist, installation.version),
    beginRun(crio.clean_shutdown_file),
  );
  // Nobody waits for it: what earlier runs have left does no harm.
  const tidied = store.collectGarbage().catch((error) => {
    log.warn(`collect the garbage of the storage: ${errorMessage(error)}`);
  });
  resources.defer(() => tidied);
  await importArchives({
    directory: config.image.archive_dir,
    scratch: archiveScratch(config),
    stateFile: join(config.crio.root, "crid-imported.json"),
    store,
    images,
    signal: new AbortController().signal,
  });
  const streaming = resources.use(await startStreams(config, pods));
  const server = await serveCri({
    socketPath: config.api.listen,
    pods,
    images,
    runtime: { name: "cri-o", version: installation.version },
    features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: true },
    config: () => given.config,
    configText: () => printToml(given.config, { for: "file" }),
    streams: streamUrls(streaming, pods),
    metrics: podMetrics(() => given.config.stats.included_pod_metrics, pods, stats),
    pauser: {
      pause: (id) => pods.pauseContainer(id),
      unpause: (id) => pods.unpauseContainer(id),
    },
  });
  log.info(`crid ${installation.version} serves ${config.api.listen}`);
  const rest = resources.move();
  return {
    async reload(changed) {
      await checkRegistries(changed);
      const handlers = await handlersOf(changed);
      putInForce(changed, handlers, given, pods, cgroups, installation);
    },
    async close() {
      closing.abort(new CridError("unavailable", "crid is shutting down; try again later"));
      await server.close();
      await rest.disposeAsync();
      await endRun(crio.clean_shutdown_file, crio.root);
    },
  };
}

/** Every pull reads them anew; who reloads wants to know now whether they make sense. */
async function checkRegistries(config: Config): Promise<void> {
  try {
    await loadRegistriesConf(registriesFiles(config));
  } catch (error) {
    throw wrapError("system registries reload failed", error, "failed_precondition");
  }
  log.info("Applied new registry configuration");
}

/** What irqbalance is kept from after a boot, when the containers are gone for which it was. */
async function balanceInterrupts(config: Config): Promise<void> {
  const original = config.runtime.irqbalance_config_restore_file;
  if (original === "disable") return;
  try {
    await restoreInterrupts(tuningPlaces(config), original);
  } catch (error) {
    log.error(`Restore the banned CPUs of irqbalance: ${errorMessage(error)}`);
  }
}
