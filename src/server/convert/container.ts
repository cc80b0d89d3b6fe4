import { CridError } from "../../failure/mod.ts";
import type { DeviceRequest } from "../../oci/mod.ts";
import type {
  ContainerConfig,
  ContainerFilter,
  ContainerStatus,
  ContainerView,
} from "../../pod/mod.ts";
import type {
  Container,
  ContainerConfig as WireConfig,
  ContainerFilter as WireFilter,
  ContainerStatus as WireStatus,
  Device,
  ImageSpec,
} from "../../gen/runtime/v1/api.ts";
import { containerState } from "./enums.ts";
import { readLabels } from "./labels.ts";
import { readMount, writeMount } from "./mounts.ts";
import { toInt64 } from "./numbers.ts";
import { readResources, writeResources } from "./resources.ts";
import { readContainerSecurity } from "./security.ts";
import { readSignal, writeSignal } from "./signals.ts";
import { readAbsolutePath, readName, readPath } from "./text.ts";

const IMAGE_ID = /^[0-9a-f]{64}$/;
/** What begins with a byte order mark keeps it. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** @throws {CridError} `invalid_argument` naming the field that is missing or wrong. */
export function readContainerConfig(config: WireConfig | undefined): ContainerConfig {
  if (config === undefined) {
    throw new CridError("invalid_argument", "the container config is missing");
  }
  const { metadata, image, linux } = config;
  if (metadata === undefined) {
    throw new CridError("invalid_argument", "the container config has no metadata");
  }
  readName(metadata.name, "container name");
  if (image === undefined || image.image === "") {
    throw new CridError("invalid_argument", `container ${metadata.name}: the image is missing`);
  }
  return {
    metadata,
    image: image.image,
    userSpecifiedImage: image.userSpecifiedImage,
    command: config.command,
    args: config.args,
    workingDir: readPath(config.workingDir, "working directory"),
    env: config.envs.map(({ key, value }) => [key, decoder.decode(value)] as const),
    mounts: config.mounts.map(readMount),
    devices: config.devices.map(readDevice),
    cdiDevices: config.CDIDevices.map(({ name }) => name),
    labels: readLabels(config.labels),
    annotations: config.annotations,
    logPath: readPath(config.logPath, "log path"),
    stdin: config.stdin,
    stdinOnce: config.stdinOnce,
    tty: config.tty,
    resources: readResources(linux?.resources),
    security: readContainerSecurity(linux?.securityContext),
    stopSignal: readSignal(config.stopSignal),
  };
}

function readDevice(device: Device): DeviceRequest {
  const { hostPath, containerPath, permissions } = device;
  readAbsolutePath(hostPath, "device");
  readPath(containerPath, `device ${hostPath}: container path`);
  if (/^[rwm]{0,3}$/.test(permissions)) return device;
  throw new CridError(
    "invalid_argument",
    `device ${hostPath}: its permissions must be some of r, w and m`,
  );
}

export function readContainerFilter(filter: WireFilter | undefined): ContainerFilter {
  if (filter === undefined) return {};
  return {
    ...(filter.id !== "" && { id: filter.id }),
    ...(filter.podSandboxId !== "" && { sandboxId: filter.podSandboxId }),
    ...(filter.state && { state: containerState.read(filter.state.state) }),
    labels: filter.labelSelector,
  };
}

export function writeContainer(container: ContainerView): Container {
  return {
    id: container.id,
    podSandboxId: container.sandboxId,
    metadata: container.metadata,
    image: writeImageSpec(container),
    imageRef: container.imageRef,
    imageId: container.imageId,
    state: containerState.write(container.state),
    createdAt: container.createdAt,
    labels: container.labels,
    annotations: container.annotations,
  };
}

export function writeContainerStatus(status: ContainerStatus): WireStatus {
  const { uid, gid, groups } = status.user;
  return {
    id: status.id,
    metadata: status.metadata,
    state: containerState.write(status.state),
    createdAt: status.createdAt,
    startedAt: status.startedAt,
    finishedAt: status.finishedAt,
    exitCode: status.exitCode,
    image: writeImageSpec(status, status.imageName),
    imageRef: status.imageRef,
    imageId: status.imageId,
    reason: status.reason,
    message: status.message,
    labels: status.labels,
    annotations: status.annotations,
    mounts: status.mounts.map(writeMount),
    logPath: status.logPath,
    resources: status.resources &&
      { linux: writeResources(status.resources), windows: undefined },
    user: {
      linux: { uid: toInt64(uid), gid: toInt64(gid), supplementalGroups: groups.map(toInt64) },
    },
    stopSignal: writeSignal(status.stopSignal),
  };
}

/** The kubelet creates containers by image id; people want to read a name. */
function writeImageSpec(container: ContainerView, name = ""): ImageSpec {
  const { image, userSpecifiedImage } = container;
  const requested = IMAGE_ID.test(image) && userSpecifiedImage !== "" ? userSpecifiedImage : image;
  return {
    image: name || requested,
    annotations: {},
    userSpecifiedImage,
    runtimeHandler: container.runtimeHandler,
    imageRef: "",
  };
}
