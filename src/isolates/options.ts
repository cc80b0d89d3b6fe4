/**
 * What the rooms below need of the configuration.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "@std/path";
import type { CgroupDriver } from "../cgroup/mod.ts";
import type { Config, WorkloadConfig } from "../config/mod.ts";
import { CridError } from "../failure/mod.ts";
import type { HostPortOptions } from "../network/mod.ts";
import { log } from "../observe/mod.ts";
import {
  type Blockio,
  type IdMaps,
  loadBlockio,
  type SpecDefaults,
  type TuningPlaces,
} from "../oci/mod.ts";
import { parseIdMaps, type PodOptions, type PodSelinux, type Workload } from "../pod/mod.ts";
import { loadSelinuxPolicy } from "../security/mod.ts";
import type { StoreOptions } from "../storage/mod.ts";
import type { Installation } from "./messages.ts";

/** Where the store is. */
export function storeOptions({ crio }: Pick<Config, "crio">): StoreOptions {
  return {
    graphRoot: crio.root,
    runRoot: crio.runroot,
    driver: crio.storage_driver,
    imageStore: crio.imagestore,
    options: crio.storage_option,
  };
}

/** Host ports that no CNI plugin maps; each crid of the node, by its storage root, has its own table. */
export function hostPortOptions({ crio, runtime }: Config): HostPortOptions | undefined {
  if (runtime.disable_hostport_mapping) return undefined;
  const instance = createHash("sha256").update(crio.root).digest("hex").slice(0, 8);
  return { table: `crid_hostports_${instance}` };
}

/** What the configuration and the host add to every container's spec. */
export function specDefaults(config: Config, cgroups: CgroupDriver): SpecDefaults {
  const { runtime, image, crio } = config;
  return {
    cgroup: {
      version: cgroups.version,
      driver: cgroups.kind,
      controllers: cgroups.controllers(),
    },
    tuning: tuningPlaces(config),
    defaultCapabilities: runtime.default_capabilities,
    addInheritableCapabilities: runtime.add_inheritable_capabilities,
    defaultEnv: runtime.default_env,
    defaultUlimits: runtime.default_ulimits,
    pidsLimit: runtime.pids_limit,
    readOnly: runtime.read_only,
    additionalDevices: runtime.additional_devices,
    deviceOwnershipFromSecurityContext: runtime.device_ownership_from_security_context,
    allowedDevices: runtime.allowed_devices,
    cdiSpecDirs: runtime.cdi_spec_dirs,
    hooksDirs: runtime.hooks_dir,
    defaultMountsFile: runtime.default_mounts_file,
    timezone: runtime.timezone,
    minInjectedGomaxprocs: runtime.min_injected_gomaxprocs,
    seccompProfile: presentProfile(runtime.seccomp_profile),
    privilegedSeccompProfile: runtime.privileged_seccomp_profile,
    apparmorProfile: runtime.apparmor_profile,
    sharedCpuset: runtime.shared_cpuset,
    blockio: blockio(config),
    bindMountPrefix: runtime.bind_mount_prefix,
    absentMountSourcesToReject: runtime.absent_mount_sources_to_reject,
    imageVolumes: image.image_volumes,
    storageRoot: crio.root,
  };
}

/** As CRI-O, so that a file that another release has brought and taken along stops nothing. */
function presentProfile(file: string): string {
  if (file === "" || existsSync(file)) return file;
  log.warn(
    `Seccomp profile does not exist on disk, fallback to internal default profile: ${file}`,
  );
  return "";
}

/** Where the CPUs of containers are tuned that want to be alone on them. */
export function tuningPlaces({ runtime }: Config): TuningPlaces {
  return {
    affinity: "/proc/irq/default_smp_affinity",
    balancer: runtime.irqbalance_config_file,
    cpus: "/sys/devices/system/cpu",
    saved: "/var/run/crio/cpu",
    programs: { systemctl: "systemctl", irqbalance: "irqbalance" },
  };
}

function blockio({ runtime }: Config): Blockio | undefined {
  if (runtime.blockio_config_file === "") return undefined;
  return loadBlockio(runtime.blockio_config_file, runtime.blockio_reload ? "each" : "once");
}

/** Where pods keep their things, and how they are made. */
export function podOptions(config: Config, installation: Installation): PodOptions {
  const { runtime, crio } = config;
  return {
    namespacesDir: runtime.namespaces_dir,
    logDir: crio.log_dir,
    exitsDir: runtime.container_exits_dir,
    attachDir: runtime.container_attach_socket_dir,
    pinnsPath: runtime.pinns_path || join(installation.directory, "pinns"),
    pausePath: join(installation.directory, "pause"),
    logSizeMax: runtime.log_size_max,
    noPivot: runtime.no_pivot,
    stopTimeout: runtime.ctr_stop_timeout,
    logToJournald: runtime.log_to_journald,
    defaultHandler: runtime.default_runtime,
    defaultSysctls: sysctls(runtime.default_sysctls),
    dropInfra: runtime.drop_infra_ctr,
    infraCpuset: runtime.infra_ctr_cpuset,
    workloads: Object.values(runtime.workloads).map(workload),
    userNamespaces: {
      staticMaps: staticMaps(runtime.uid_mappings, runtime.gid_mappings),
      minimumUid: runtime.minimum_mappable_uid,
      minimumGid: runtime.minimum_mappable_gid,
    },
    selinux: podSelinux(config),
  };
}

function podSelinux({ runtime }: Config): PodSelinux | undefined {
  if (!runtime.selinux) return undefined;
  const policy = loadSelinuxPolicy();
  if (policy === undefined) return undefined;
  return {
    policy,
    hostNetwork: runtime.hostnetwork_disable_selinux ? "unconfined" : "confined",
  };
}

function workload(table: WorkloadConfig): Workload {
  const { cpushares, cpuquota, cpuperiod, cpuset, cpulimit } = table.resources;
  return {
    activationAnnotation: table.activation_annotation,
    annotationPrefix: table.annotation_prefix,
    allowedAnnotations: table.allowed_annotations,
    resources: {
      cpuShares: cpushares,
      cpuQuota: cpuquota,
      cpuPeriod: cpuperiod,
      cpuset,
      cpuLimit: cpulimit,
    },
  };
}

/** @throws {CridError} `invalid_argument` when only one of the two is set. */
function staticMaps(uids: string, gids: string): IdMaps | undefined {
  if (uids === "" && gids === "") return undefined;
  if (uids !== "" && gids !== "") return { uids: parseIdMaps(uids), gids: parseIdMaps(gids) };
  throw new CridError(
    "invalid_argument",
    "uid_mappings and gid_mappings of crio.conf: set both of them or none",
  );
}

/** `key=value` pairs; the configuration has checked them. */
function sysctls(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
}
