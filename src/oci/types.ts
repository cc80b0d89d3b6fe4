/**
 * What the domain asks of an OCI runtime, in the field's terms and free of any wire format.
 *
 * @module
 */
import type { SelinuxOptions, SelinuxPolicy } from "../security/mod.ts";
import type { IdMaps } from "../storage/mod.ts";
import type { Blockio } from "./blockio/blockio.ts";
import type { NamespaceRef, OciSpec, SpecMount } from "./oci_spec.ts";
import type { TuningPlaces } from "./tuning/tuning.ts";

export type { IdMap, IdMaps } from "../storage/mod.ts";
export type * from "./oci_spec.ts";

export type MountPropagation = "private" | "host_to_container" | "bidirectional";

/** A mount that the client asked for. */
export interface MountRequest {
  readonly containerPath: string;
  /** `""` when the source is an image. */
  readonly hostPath: string;
  readonly readonly: boolean;
  readonly recursiveReadonly: boolean;
  readonly selinuxRelabel: boolean;
  readonly propagation: MountPropagation;
  readonly idMaps?: IdMaps;
  /** An image to mount in place of a host path. */
  readonly image?: {
    readonly reference: string;
    readonly subPath: string;
    /** As the pod's author has written it, which a policy on signatures goes by. */
    readonly userSpecified?: string;
  };
}

export interface DeviceRequest {
  readonly containerPath: string;
  readonly hostPath: string;
  /** Of `r`, `w`, `m`. */
  readonly permissions: string;
}

/** Where a container's namespace of one kind comes from. */
export type NamespaceMode = "pod" | "container" | "node" | "target";

export interface NamespaceOptions {
  readonly network: NamespaceMode;
  readonly pid: NamespaceMode;
  readonly ipc: NamespaceMode;
  /** The container whose PID namespace is joined when `pid` is `target`. */
  readonly targetId: string;
  /** `pod` with maps, or `node`. */
  readonly user: { readonly mode: NamespaceMode; readonly maps: IdMaps };
}

export interface SecurityProfile {
  readonly kind: "runtime_default" | "unconfined" | "localhost";
  /** Path or profile name for `localhost`. */
  readonly localhostRef: string;
}

export interface SecurityContext {
  readonly privileged: boolean;
  readonly namespaces: NamespaceOptions;
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly runAsUser: number | undefined;
  readonly runAsUsername: string;
  readonly runAsGroup: number | undefined;
  readonly supplementalGroups: readonly number[];
  readonly supplementalGroupsPolicy: "merge" | "strict";
  readonly readonlyRootfs: boolean;
  readonly noNewPrivs: boolean;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** `undefined`: the field was not set, which means unconfined. */
  readonly seccomp: SecurityProfile | undefined;
  readonly apparmor: SecurityProfile | undefined;
  readonly selinux: SelinuxOptions | undefined;
}

/** cgroup settings; `undefined` or 0 means not set, as in CRI. */
export interface LinuxResources {
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpuShares: number;
  readonly memoryLimit: number;
  readonly memorySwapLimit: number;
  readonly oomScoreAdj: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly hugepageLimits: readonly { readonly pageSize: string; readonly limit: number }[];
  readonly unified: Readonly<Record<string, string>>;
}

/** The part of an OCI image config that says how to run it. */
export interface ImageRunConfig {
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly stopSignal: string;
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** The user that a container's process runs as, with every name resolved. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  /** The primary group is among them. */
  readonly additionalGids: readonly number[];
}

/** A mount that only the runtime asked for (resolv.conf, hostname, /dev/shm …). */
export type InternalMount = SpecMount;

/** Everything the spec of one container is made from. */
export interface SpecInput {
  readonly id: string;
  /** Mounted root file system on the host. */
  readonly rootfs: string;
  readonly hostname: string;
  /** Command and arguments as the client gave them, over the image's. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: readonly (readonly [string, string])[];
  readonly workingDir: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly image: ImageRunConfig;
  readonly mounts: readonly MountRequest[];
  readonly internalMounts: readonly InternalMount[];
  readonly devices: readonly DeviceRequest[];
  readonly security: SecurityContext;
  readonly resources: LinuxResources | undefined;
  /** As the cgroup driver writes it: `/parent/crio-<id>` or `slice:crio:<id>`. */
  readonly cgroupsPath: string;
  /** Namespaces to join (network, ipc, uts, user, and pid when shared). */
  readonly namespaces: readonly NamespaceRef[];
  /** Written to `/proc/sys` by the runtime; pinned namespaces have theirs already. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly idMaps: IdMaps | undefined;
  /** Directory for files that the spec needs (a generated passwd), the container's run directory. */
  readonly runDir: string;
  /**
   * `infra` for the process that holds a pod's namespaces: hooks, secrets, CDI and the like are not
   * for it. Default `workload`.
   */
  readonly role?: "workload" | "infra";
  /** Qualified CDI names that the client asks for: `vendor.com/class=name`. */
  readonly cdiDevices?: readonly string[];
  /** The container's own annotations, which only the kubelet sets; default none. */
  readonly ownAnnotations?: Readonly<Record<string, string>>;
  /** Those annotations of its image that may change how it is run; default none. */
  readonly imageAnnotations?: Readonly<Record<string, string>>;
  /** Labels of the pod. */
  readonly podLabels?: Readonly<Record<string, string>>;
  /** Left out where SELinux is off, and for pods that were made while it was. */
  readonly selinux?: SpecSelinux | undefined;
}

/** SELinux for one container. */
export interface SpecSelinux {
  readonly policy: SelinuxPolicy;
  /** Of the process; `""` leaves it to the policy, which lets runtimes start what it does not confine. */
  readonly process: string;
  /** In place of `process` when the container runs systemd. */
  readonly init: string;
  /** Of what is mounted or made for the container; `""` labels nothing. */
  readonly mount: string;
  /** What becomes of the files of mounts that ask for the container's label. */
  readonly relabel: "always" | "unless labelled" | "never";
}

/** What building a spec has decided, besides the spec itself. */
export interface BuiltSpec {
  readonly spec: OciSpec;
  /** The user as ContainerStatus reports it. */
  readonly user: ProcessUser;
  /** Signal that stops the container, `SIGTERM` unless the image says otherwise. */
  readonly stopSignal: string;
}

/** One configured runtime handler, resolved: paths found, features probed. */
export interface RuntimeHandler {
  readonly name: string;
  readonly path: string;
  /** Other programs by the platform of the image, `linux/arm64`. */
  readonly platformPaths: Readonly<Record<string, string>>;
  /** `--root`. */
  readonly root: string;
  readonly monitorPath: string;
  readonly monitorEnv: readonly string[];
  readonly monitorCgroup: string;
  /** First line of `--version`. */
  readonly version: string;
  readonly features: RuntimeFeatures;
  /** Bytes; a lower memory limit is refused. */
  readonly minimumMemory: number;
  /** Seconds. */
  readonly createTimeout: number;
  readonly privilegedWithoutHostDevices: boolean;
  readonly allowedAnnotations: readonly string[];
  readonly defaultAnnotations: Readonly<Record<string, string>>;
  readonly seccompProfile: string;
  readonly noSyncLog: boolean;
  /** `first`: commands of exec keep to the first of a container's own CPUs. */
  readonly execCpuAffinity: "" | "first";
  /** `crid-native`, which starts the runtime and the monitor. */
  readonly native: string;
  /**
   * The runtime refuses this host's hybrid cgroups (crun before 1.9): it runs in a mount namespace
   * without `/sys/fs/cgroup/unified`.
   */
  readonly hideUnified: boolean;
}

export interface RuntimeFeatures {
  /** The newest `ociVersion` it accepts. */
  readonly ociVersion: string;
  readonly recursiveReadonlyMounts: boolean;
  readonly idmapMounts: boolean;
  readonly userNamespaces: boolean;
  /** With `--log` only its warnings go there; what went wrong is still said on standard error. */
  readonly logsApart: boolean;
}

/** `runtime state`. */
export interface RuntimeState {
  readonly status: "creating" | "created" | "running" | "paused" | "stopped";
  readonly pid: number;
}

/** What creating a container through the monitor needs. */
export interface CreateRequest {
  readonly id: string;
  readonly name: string;
  readonly handler: RuntimeHandler;
  /** Directory with `config.json`; also pid file, attach socket, ctl. */
  readonly bundle: string;
  /** Directory for the `exit` and `oom` files that survive a restart. */
  readonly persistDir: string;
  readonly logPath: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly systemdCgroup: boolean;
  /** Moves the monitor into a cgroup before it starts the runtime. */
  readonly placeMonitor?: (pid: number) => Promise<void>;
  /** `container_exits_dir`. */
  readonly exitsDir: string;
  /** `container_attach_socket_dir`. */
  readonly attachDir: string;
  /** Bytes; negative for none. */
  readonly logSizeMax: number;
  readonly logToJournald?: boolean;
  readonly noPivot: boolean;
  /** Level of the monitor's own messages; default `info`. */
  readonly logLevel?: string;
  /** Ends the creation; what was made is taken back. */
  readonly signal?: AbortSignal;
}

/** A process named so that a reused pid is not mistaken for it. */
export interface ProcessRef {
  readonly pid: number;
  /** Field 22 of `/proc/<pid>/stat`. */
  readonly startTime: string;
}

export interface CreatedContainer {
  readonly init: ProcessRef;
  readonly monitor: ProcessRef | undefined;
  /** Resolves when the monitor has ended, by itself or killed; its exit files are written by then. */
  readonly closed: Promise<void>;
}

/** Where a monitor leaves what it knows of a container's end. */
export interface ExitPlaces {
  readonly persistDir: string;
  readonly bundle: string;
}

/** How a container's process ended, as the monitor has recorded it. */
export interface ExitRecord {
  /** 0 to 255; -1 when the monitor could not tell. */
  readonly code: number;
  /** Nanoseconds of the Unix epoch. */
  readonly finishedAt: bigint;
  readonly oomKilled: boolean;
  /** Always `""`: it did run. */
  readonly error: string;
}

/** A container's process has ended. */
export interface Exited {
  readonly id: string;
  /** 0 to 255; -1 when the monitor could not tell; 255 when it left no record. */
  readonly exitCode: number;
  /** Nanoseconds of the Unix epoch. */
  readonly finishedAt: bigint;
  readonly oomKilled: boolean;
}

export interface ExecSyncRequest {
  readonly id: string;
  readonly handler: RuntimeHandler;
  readonly bundle: string;
  /** The container's spec; its process is copied with other arguments. */
  readonly spec: OciSpec;
  readonly args: readonly string[];
  /** Seconds, 0 for none. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/** How a runtime is told which cgroups to use, and what the host has. */
export interface CgroupSettings {
  readonly version: 1 | 2;
  readonly driver: "cgroupfs" | "systemd";
  readonly controllers: ReadonlySet<string>;
}

/** What the configuration and the host add to every container's spec. Names as in crio.conf. */
export interface SpecDefaults {
  readonly cgroup: CgroupSettings;
  readonly tuning: TuningPlaces;
  readonly defaultCapabilities: readonly string[];
  readonly addInheritableCapabilities: boolean;
  /** `NAME=value`. */
  readonly defaultEnv: readonly string[];
  /** `name=soft:hard`, or `name=both`; -1 for no limit. */
  readonly defaultUlimits: readonly string[];
  /** Negative for none. */
  readonly pidsLimit: number;
  /** `read_only`. */
  readonly readOnly: boolean;
  /** `host[:container][:rwm]`. */
  readonly additionalDevices: readonly string[];
  readonly deviceOwnershipFromSecurityContext: boolean;
  /** Devices of the host that the annotation `devices.crio.io` may name. */
  readonly allowedDevices: readonly string[];
  readonly cdiSpecDirs: readonly string[];
  readonly hooksDirs: readonly string[];
  /** `""`: mounts.conf of /etc/containers or /usr/share/containers. */
  readonly defaultMountsFile: string;
  /** IANA name, `Local`, or `""` for the image's. */
  readonly timezone: string;
  /** 0 injects none. */
  readonly minInjectedGomaxprocs: number;
  readonly seccompProfile: string;
  readonly privilegedSeccompProfile: string;
  readonly apparmorProfile: string;
  /** CPUs that containers with CPUs of their own may use, too; `""` for none. */
  readonly sharedCpuset: string;
  /** `undefined` where there are no classes. */
  readonly blockio?: Blockio | undefined;
  readonly bindMountPrefix: string;
  readonly absentMountSourcesToReject: readonly string[];
  readonly imageVolumes: "mkdir" | "bind" | "ignore";
  /** `crio.root`: a private mount of a directory above it becomes a slave mount. */
  readonly storageRoot: string;
}

export interface ExecSyncResult {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** The time was up and everything that the command started was killed. */
  readonly timedOut: boolean;
}
