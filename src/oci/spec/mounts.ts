import { normalize, resolve } from "@std/path";
import { CridError } from "../../failure/mod.ts";
import { mountInfo } from "../../linux/mod.ts";
import { specIdMaps } from "../../security/mod.ts";
import type { MountRequest, OciSpec, SpecMount } from "../types.ts";
import { defaultMounts } from "./default_mounts.ts";
import type { SpecDraft } from "./draft.ts";
import { hostSource } from "./mount_source.ts";
import { mountPropagation, type RootfsPropagation } from "./propagation.ts";
import { labelVolume } from "./selinux.ts";

/**
 * All mounts, the shallow before the deep. One that the client asks for replaces crid's own at the
 * same place, and one on /dev or /sys all of crid's own below it.
 */
export async function mountsStage(draft: SpecDraft): Promise<void> {
  const { input, spec } = draft;
  const asked = await askedMounts(draft);
  // A later one replaces an earlier one: an account file, the defaults, crid's own, the client's.
  const mounts = new Map<string, SpecMount>();
  for (const mount of [...defaultMounts(draft), ...spec.mounts, ...input.internalMounts]) {
    if (asked.some((each) => covers(each.destination, mount.destination))) continue;
    mounts.set(normalize(mount.destination), mount);
  }
  for (const mount of asked) {
    // Deleting first: it takes its place in the order of the client's list.
    mounts.delete(mount.destination);
    mounts.set(mount.destination, mount);
  }
  const sorted = Array.from(mounts.values())
    .sort((a, b) => depth(a.destination) - depth(b.destination));
  spec.mounts = sorted.map((mount) => ({ ...mount, options: [...mount.options] }));
}

function covers(asked: string, own: string): boolean {
  return (asked === "/dev" || asked === "/sys") && own.startsWith(`${asked}/`);
}

function depth(path: string): number {
  return path.split("/").filter((part) => part !== "").length;
}

/** What the client wants, checked and with sources that exist. */
async function askedMounts(draft: SpecDraft): Promise<OciSpec["mounts"]> {
  const table = draft.input.mounts.length > 0 ? mountInfo() : [];
  let rootfs: RootfsPropagation | undefined;
  const mounts: OciSpec["mounts"] = [];
  for (const request of draft.input.mounts) {
    const destination = checkRequest(request, draft);
    const source = hostSource(request, draft.defaults);
    const propagation = mountPropagation(request, source, table, draft.defaults.storageRoot);
    if (propagation.rootfs !== undefined && rootfs !== "rshared") rootfs = propagation.rootfs;
    await labelVolume(draft.input, request, source);
    mounts.push({
      destination,
      source,
      type: "bind",
      options: ["rbind", ...access(request), propagation.option],
      ...idMaps(request),
    });
  }
  if (rootfs !== undefined) draft.spec.linux.rootfsPropagation = rootfs;
  return mounts;
}

function access({ readonly, recursiveReadonly }: MountRequest): string[] {
  if (!readonly) return ["rw"];
  return recursiveReadonly ? ["ro", "rro"] : ["ro"];
}

function idMaps({ idMaps }: MountRequest) {
  if (idMaps === undefined || idMaps.uids.length + idMaps.gids.length === 0) return {};
  return { uidMappings: specIdMaps(idMaps.uids), gidMappings: specIdMaps(idMaps.gids) };
}

/**
 * @returns The place in the container, absolute.
 * @throws {CridError} `invalid_argument` with CRI-O's words.
 */
function checkRequest(request: MountRequest, { handler }: SpecDraft): string {
  const refuse = (why: string): never => {
    throw new CridError("invalid_argument", why);
  };
  const { containerPath, hostPath, propagation } = request;
  if (containerPath === "") refuse("mount.ContainerPath is empty");
  if (hostPath === "") refuse("mount.HostPath is empty");
  if (request.recursiveReadonly) {
    const quoted = JSON.stringify(hostPath);
    if (!handler.features.recursiveReadonlyMounts) {
      refuse(`recursive read-only mount support is not available for hostPath ${quoted}`);
    }
    if (!request.readonly) {
      refuse(`recursive read-only mount conflicts with read-write mount for hostPath ${quoted}`);
    }
    if (propagation !== "private") {
      refuse(
        `recursive read-only mount requires private propagation for hostPath ${quoted}, got: ` +
          `PROPAGATION_${propagation.toUpperCase()}`,
      );
    }
  }
  const mapped = request.idMaps !== undefined &&
    request.idMaps.uids.length + request.idMaps.gids.length > 0;
  if (mapped && !handler.features.idmapMounts) {
    refuse(
      "idmap mounts specified but OCI runtime does not support them. " +
        "Perhaps the OCI runtime is too old",
    );
  }
  return resolve("/", containerPath);
}
