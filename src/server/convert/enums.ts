/**
 * Enums of the wire and words of the domain. A number that this version of CRI does not know is an
 * error, not the zero value.
 *
 * @module
 */
import { CridError } from "../../failure/mod.ts";
import type { MountPropagation, NamespaceMode, SecurityProfile } from "../../oci/mod.ts";
import type { PortMapping } from "../../network/mod.ts";
import type { ContainerEventType, ContainerState, SandboxState } from "../../pod/mod.ts";
import * as wire from "../../gen/runtime/v1/api.ts";

/** The two directions between an enum and its words. */
interface Words<Word extends string> {
  /** @throws {CridError} `invalid_argument` for an unknown number. */
  read(value: number): Word;
  write(word: Word): number;
}

function words<Word extends string>(what: string, table: Record<Word, number>): Words<Word> {
  const byNumber = new Map<number, Word>();
  for (const word of Object.keys(table) as Word[]) byNumber.set(table[word], word);
  return {
    read: (value) => {
      const word = byNumber.get(value);
      if (word === undefined) {
        throw new CridError("invalid_argument", `${what} ${value} is not known to CRI v1`);
      }
      return word;
    },
    write: (word) => table[word],
  };
}

export const namespaceMode: Words<NamespaceMode> = words("namespace mode", {
  pod: wire.NamespaceMode.POD,
  container: wire.NamespaceMode.CONTAINER,
  node: wire.NamespaceMode.NODE,
  target: wire.NamespaceMode.TARGET,
});

export const propagation: Words<MountPropagation> = words("mount propagation", {
  private: wire.MountPropagation.PROPAGATION_PRIVATE,
  host_to_container: wire.MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
  bidirectional: wire.MountPropagation.PROPAGATION_BIDIRECTIONAL,
});

export const profileKind: Words<SecurityProfile["kind"]> = words("security profile type", {
  runtime_default: wire.SecurityProfile_ProfileType.RuntimeDefault,
  unconfined: wire.SecurityProfile_ProfileType.Unconfined,
  localhost: wire.SecurityProfile_ProfileType.Localhost,
});

export const groupsPolicy: Words<"merge" | "strict"> = words("supplemental groups policy", {
  merge: wire.SupplementalGroupsPolicy.Merge,
  strict: wire.SupplementalGroupsPolicy.Strict,
});

export const protocol: Words<PortMapping["protocol"]> = words("port mapping protocol", {
  tcp: wire.Protocol.TCP,
  udp: wire.Protocol.UDP,
  sctp: wire.Protocol.SCTP,
});

export const sandboxState: Words<SandboxState> = words("sandbox state", {
  ready: wire.PodSandboxState.SANDBOX_READY,
  notready: wire.PodSandboxState.SANDBOX_NOTREADY,
});

export const containerState: Words<ContainerState> = words("container state", {
  created: wire.ContainerState.CONTAINER_CREATED,
  running: wire.ContainerState.CONTAINER_RUNNING,
  exited: wire.ContainerState.CONTAINER_EXITED,
  unknown: wire.ContainerState.CONTAINER_UNKNOWN,
});

export const eventType: Words<ContainerEventType> = words("container event type", {
  created: wire.ContainerEventType.CONTAINER_CREATED_EVENT,
  started: wire.ContainerEventType.CONTAINER_STARTED_EVENT,
  stopped: wire.ContainerEventType.CONTAINER_STOPPED_EVENT,
  deleted: wire.ContainerEventType.CONTAINER_DELETED_EVENT,
});

export const cgroupDriver: Words<"systemd" | "cgroupfs"> = words("cgroup driver", {
  systemd: wire.CgroupDriver.SYSTEMD,
  cgroupfs: wire.CgroupDriver.CGROUPFS,
});
