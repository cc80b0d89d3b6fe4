import { join } from "@std/path";
import { CridError } from "../../failure/mod.ts";
import { isErrno, kernelFileExists, stat } from "../../linux/mod.ts";
import { hasIdMaps } from "../../security/mod.ts";
import type { DeviceRequest, OciDevice, OciResources } from "../types.ts";
import { annotation, SpecAnnotation } from "./annotations.ts";
import { deviceFrom, devicesBelow, isDirectory } from "./device_nodes.ts";
import { isPrivileged, type SpecDraft } from "./draft.ts";

/** Device nodes and what the device cgroup allows. Runtimes add the usual ones (null, zero …). */
export function devicesStage(draft: SpecDraft): void {
  const { input, defaults, handler, spec } = draft;
  const allHostDevices = isPrivileged(draft) && !handler.privilegedWithoutHostDevices;
  const devices = new Map<string, OciDevice>();
  const rules: NonNullable<OciResources["devices"]> = [
    { allow: allHostDevices, access: "rwm" },
  ];
  if (allHostDevices) {
    for (const device of devicesBelow("/dev")) {
      devices.set(device.path, device);
    }
  }
  const requests = [
    ...defaults.additionalDevices.map(parseDevice),
    ...annotatedDevices(draft),
    ...input.devices,
  ];
  for (const request of requests) {
    if (allHostDevices) refuseHidden(request);
    for (const device of requested(request)) {
      devices.set(device.path, owned(device, draft));
      const { type, major, minor } = device;
      rules.push({ allow: true, type, major, minor, access: request.permissions || "rwm" });
    }
  }
  // A user namespace cannot make device nodes: the runtime binds the host's, as they are.
  const list = Array.from(devices.values());
  if (list.length > 0) spec.linux.devices = list;
  (spec.linux.resources ??= {}).devices = rules;
}

/** @throws {CridError} `invalid_argument` for a device that `allowed_devices` does not name. */
function annotatedDevices({ input, defaults }: SpecDraft): DeviceRequest[] {
  if (input.role === "infra") return [];
  const text = annotation(input.annotations, SpecAnnotation.devices) ?? "";
  const requests = text.split(",").map((part) => part.trim()).filter((part) => part !== "")
    .map(parseDevice);
  const refused = requests.find(({ hostPath }) => !defaults.allowedDevices.includes(hostPath));
  if (refused === undefined) return requests;
  throw new CridError(
    "invalid_argument",
    `device ${refused.hostPath} is specified but is not in allowed_devices`,
  );
}

/** `host[:container][:permissions]`. */
export function parseDevice(text: string): DeviceRequest {
  const [hostPath = "", second = "", third] = text.split(":");
  const isPermissions = third === undefined && /^[rwm]{1,3}$/.test(second);
  const permissions = isPermissions ? second : third ?? "rwm";
  const containerPath = isPermissions || second === "" ? hostPath : second;
  if (hostPath === "" || !containerPath.startsWith("/") || !/^[rwm]{1,3}$/.test(permissions)) {
    throw new CridError("invalid_argument", `device "${text}": not host[:container][:rwm]`);
  }
  return { hostPath, containerPath, permissions };
}

/** The nodes of one request: a directory stands for all devices in it. */
function requested({ hostPath, containerPath }: DeviceRequest): OciDevice[] {
  const place = containerPath || hostPath;
  try {
    if (!isDirectory(stat(hostPath))) return [deviceFrom(hostPath, place)];
    return devicesBelow(hostPath).map((device) => ({
      ...device,
      path: join(place, device.path.slice(hostPath.length)),
    }));
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw new CridError("invalid_argument", `device ${hostPath}: there is no such device`);
  }
}

/** In a privileged container it would replace a device of the host that is there already. */
function refuseHidden({ hostPath, containerPath }: DeviceRequest): void {
  if (containerPath === hostPath || !kernelFileExists(containerPath)) return;
  throw new CridError(
    "invalid_argument",
    "privileged container was configured with a device container path that already exists on the host",
  );
}

function owned(device: OciDevice, { input, defaults, user }: SpecDraft): OciDevice {
  const { runAsUser, runAsGroup } = input.security;
  if (!defaults.deviceOwnershipFromSecurityContext || hasIdMaps(input.idMaps)) return device;
  return {
    ...device,
    ...(runAsUser === undefined ? {} : { uid: user.uid }),
    ...(runAsGroup === undefined ? {} : { gid: user.gid }),
  };
}
