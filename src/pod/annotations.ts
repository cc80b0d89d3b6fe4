/**
 * What a sandbox or a container was made from, written into the annotations of its spec as CRI-O
 * writes it. It is all that a restart reads, and what hooks and other tools look at.
 *
 * @module
 */
import type {
  IdMap,
  IdMaps,
  MountPropagation,
  MountRequest,
  NamespaceMode,
  NamespaceOptions,
} from "../oci/mod.ts";
import type { PortMapping } from "../network/mod.ts";
import type { StringMap } from "./types.ts";

const PREFIX = "io.kubernetes.cri-o.";

/** Names of CRI-O's annotations. */
export const Key = {
  annotations: PREFIX + "Annotations",
  labels: PREFIX + "Labels",
  metadata: PREFIX + "Metadata",
  containerId: PREFIX + "ContainerID",
  containerName: PREFIX + "ContainerName",
  containerType: PREFIX + "ContainerType",
  created: PREFIX + "Created",
  hostName: PREFIX + "HostName",
  cgroupParent: PREFIX + "CgroupParent",
  namespaceOptions: PREFIX + "NamespaceOptions",
  image: PREFIX + "Image",
  imageName: PREFIX + "ImageName",
  imageRef: PREFIX + "ImageRef",
  imageRepoDigests: PREFIX + "ImageRepoDigests",
  userRequestedImage: PREFIX + "UserRequestedImage",
  kubeName: PREFIX + "KubeName",
  portMappings: PREFIX + "PortMappings",
  logPath: PREFIX + "LogPath",
  name: PREFIX + "Name",
  namespace: PREFIX + "Namespace",
  privileged: PREFIX + "PrivilegedRuntime",
  resolvPath: PREFIX + "ResolvPath",
  hostnamePath: PREFIX + "HostnamePath",
  sandboxId: PREFIX + "SandboxID",
  sandboxName: PREFIX + "SandboxName",
  shmPath: PREFIX + "ShmPath",
  mountPoint: PREFIX + "MountPoint",
  runtimeHandler: PREFIX + "RuntimeHandler",
  tty: PREFIX + "TTY",
  stdin: PREFIX + "Stdin",
  stdinOnce: PREFIX + "StdinOnce",
  volumes: PREFIX + "Volumes",
  hostNetwork: PREFIX + "HostNetwork",
  spoofed: PREFIX + "Spoofed",
  /** crid's own: the handler that a pod has which asked for the default one. */
  handler: "io.crid.RuntimeHandler",
  manager: "io.container.manager",
  stopSignal: "org.opencontainers.image.stopSignal",
} as const;

/** Whose containers these are; CRI-O's word, so that either restores what the other left. */
export const MANAGER = "cri-o";

/** The number that CRI's protobuf JSON has for each mode. */
const MODES: readonly NamespaceMode[] = ["pod", "container", "node", "target"];
const PROPAGATIONS: readonly MountPropagation[] = ["private", "host_to_container", "bidirectional"];

/** @throws {SyntaxError} for text that is not JSON. */
export function readMap(text: string | undefined): StringMap {
  const value: unknown = JSON.parse(text ?? "{}");
  const map: Record<string, string> = {};
  for (const [key, entry] of Object.entries(value ?? {})) map[key] = String(entry);
  return map;
}

export function namespaceOptionsJson(options: NamespaceOptions): string {
  return JSON.stringify({
    network: MODES.indexOf(options.network),
    pid: MODES.indexOf(options.pid),
    ipc: MODES.indexOf(options.ipc),
    target_id: options.targetId,
    userns_options: {
      mode: MODES.indexOf(options.user.mode),
      uids: options.user.maps.uids.map(mapJson),
      gids: options.user.maps.gids.map(mapJson),
    },
  });
}

export function readNamespaceOptions(text: string | undefined): NamespaceOptions {
  const value = JSON.parse(text ?? "{}") as {
    network?: number;
    pid?: number;
    ipc?: number;
    target_id?: string;
    userns_options?: { mode?: number; uids?: MapJson[]; gids?: MapJson[] };
  };
  const user = value.userns_options;
  return {
    network: MODES[value.network ?? 0] ?? "pod",
    pid: MODES[value.pid ?? 0] ?? "pod",
    ipc: MODES[value.ipc ?? 0] ?? "pod",
    targetId: value.target_id ?? "",
    user: {
      mode: MODES[user?.mode ?? 2] ?? "node",
      maps: readMaps(user?.uids, user?.gids),
    },
  };
}

interface MapJson {
  readonly host_id?: number;
  readonly container_id?: number;
  readonly length?: number;
}

function mapJson(map: IdMap): MapJson {
  return { host_id: map.hostId, container_id: map.containerId, length: map.size };
}

function readMaps(uids: MapJson[] | undefined, gids: MapJson[] | undefined): IdMaps {
  const read = (map: MapJson): IdMap => ({
    containerId: map.container_id ?? 0,
    hostId: map.host_id ?? 0,
    size: map.length ?? 0,
  });
  return { uids: (uids ?? []).map(read), gids: (gids ?? []).map(read) };
}

export function portMappingsJson(mappings: readonly PortMapping[]): string {
  return JSON.stringify(mappings.map((mapping) => ({
    protocol: mapping.protocol,
    container_port: mapping.containerPort,
    host_port: mapping.hostPort,
    host_ip: mapping.hostIp,
  })));
}

export function readPortMappings(text: string | undefined): PortMapping[] {
  const values = JSON.parse(text ?? "[]") as {
    protocol?: PortMapping["protocol"];
    container_port?: number;
    host_port?: number;
    host_ip?: string;
  }[];
  return (values ?? []).map((value) => ({
    protocol: value.protocol ?? "tcp",
    containerPort: value.container_port ?? 0,
    hostPort: value.host_port ?? 0,
    hostIp: value.host_ip ?? "",
  }));
}

/** One entry of the `Volumes` annotation. */
interface VolumeJson {
  readonly container_path: string;
  readonly host_path: string;
  readonly readonly?: boolean;
  readonly recursive_read_only?: boolean;
  readonly propagation?: number;
  readonly selinux_relabel?: boolean;
  readonly image?: { readonly image: string; readonly sub_path?: string; readonly id?: string };
  readonly uid_mappings?: MapJson[];
  readonly gid_mappings?: MapJson[];
}

/** @param images Image ids of image mounts, by container path. */
export function volumesJson(
  mounts: readonly MountRequest[],
  images: ReadonlyMap<string, string>,
): string {
  return JSON.stringify(mounts.map((mount): VolumeJson => ({
    container_path: mount.containerPath,
    host_path: mount.hostPath,
    readonly: mount.readonly,
    recursive_read_only: mount.recursiveReadonly,
    propagation: PROPAGATIONS.indexOf(mount.propagation),
    selinux_relabel: mount.selinuxRelabel,
    ...(mount.image === undefined ? {} : {
      image: {
        image: mount.image.reference,
        sub_path: mount.image.subPath,
        id: images.get(mount.containerPath) ?? "",
      },
    }),
    ...(mount.idMaps === undefined ? {} : {
      uid_mappings: mount.idMaps.uids.map(mapJson),
      gid_mappings: mount.idMaps.gids.map(mapJson),
    }),
  })));
}

export function readVolumes(
  text: string | undefined,
): { mounts: MountRequest[]; images: Map<string, string> } {
  const images = new Map<string, string>();
  const volumes = JSON.parse(text ?? "[]") as VolumeJson[];
  const mounts = (volumes ?? []).map((volume): MountRequest => {
    if (volume.image?.id) images.set(volume.container_path, volume.image.id);
    return {
      containerPath: volume.container_path,
      hostPath: volume.host_path,
      readonly: volume.readonly ?? false,
      recursiveReadonly: volume.recursive_read_only ?? false,
      propagation: PROPAGATIONS[volume.propagation ?? 0] ?? "private",
      selinuxRelabel: volume.selinux_relabel ?? false,
      ...(volume.image === undefined ? {} : {
        image: { reference: volume.image.image, subPath: volume.image.sub_path ?? "" },
      }),
      ...(volume.uid_mappings === undefined && volume.gid_mappings === undefined ? {} : {
        idMaps: readMaps(volume.uid_mappings, volume.gid_mappings),
      }),
    };
  });
  return { mounts, images };
}
