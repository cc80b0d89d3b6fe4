import type { LinuxSeccomp, SpecIdMap } from "../security/mod.ts";

/** One namespace that the container joins; without a path it gets a new one. */
export interface NamespaceRef {
  readonly type: "pid" | "network" | "ipc" | "uts" | "user" | "cgroup" | "mount";
  readonly path?: string;
}

/** A mount as the OCI runtime spec writes it. */
export interface SpecMount {
  readonly destination: string;
  readonly source: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** An OCI runtime spec; only crid's own stages write it, so it stays a plain JSON object. */
export type OciSpec = {
  ociVersion: string;
  process: {
    terminal: boolean;
    user: { uid: number; gid: number; additionalGids?: number[]; umask?: number };
    args: string[];
    env: string[];
    cwd: string;
    capabilities?: Record<
      "bounding" | "effective" | "permitted" | "inheritable" | "ambient",
      string[]
    >;
    rlimits?: { type: string; hard: number; soft: number }[];
    noNewPrivileges: boolean;
    apparmorProfile?: string;
    selinuxLabel?: string;
    oomScoreAdj?: number;
  };
  root: { path: string; readonly: boolean };
  hostname?: string;
  mounts: {
    destination: string;
    source: string;
    type: string;
    options: string[];
    uidMappings?: { containerID: number; hostID: number; size: number }[];
    gidMappings?: { containerID: number; hostID: number; size: number }[];
  }[];
  /** By the stage that they run in: `createRuntime`, `poststop` … */
  hooks?: Record<string, OciHook[]>;
  annotations: Record<string, string>;
  linux: OciLinux;
};

/** A program that the runtime runs at a point of a container's life. */
export interface OciHook {
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

/** A device node for the container. */
export interface OciDevice {
  path: string;
  type: "c" | "b" | "u" | "p";
  major: number;
  minor: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

/** `linux.resources` of the OCI runtime spec, also what `runtime update` takes. */
export interface OciResources {
  devices?: { allow: boolean; type?: string; major?: number; minor?: number; access: string }[];
  memory?: { limit?: number; swap?: number; reservation?: number; disableOOMKiller?: boolean };
  cpu?: { shares?: number; quota?: number; period?: number; cpus?: string; mems?: string };
  pids?: { limit: number };
  hugepageLimits?: { pageSize: string; limit: number }[];
  unified?: Record<string, string>;
  blockIO?: OciBlockIo;
}

/** `linux.resources.blockIO`. */
export interface OciBlockIo {
  weight?: number;
  weightDevice?: readonly { major: number; minor: number; weight: number }[];
  /** Bytes a second. */
  throttleReadBpsDevice?: readonly OciDeviceRate[];
  throttleWriteBpsDevice?: readonly OciDeviceRate[];
  /** Operations a second. */
  throttleReadIOPSDevice?: readonly OciDeviceRate[];
  throttleWriteIOPSDevice?: readonly OciDeviceRate[];
}

export interface OciDeviceRate {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

/** `linux` of the OCI runtime spec. */
export type OciLinux = {
  /** The `type` is that of a {@linkcode NamespaceRef}. */
  namespaces: { type: string; path?: string }[];
  resources?: OciResources;
  devices?: OciDevice[];
  cgroupsPath?: string;
  sysctl?: Record<string, string>;
  seccomp?: LinuxSeccomp;
  rootfsPropagation?: string;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  mountLabel?: string;
  uidMappings?: SpecIdMap[];
  gidMappings?: SpecIdMap[];
} & Record<string, unknown>;
