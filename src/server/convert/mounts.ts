import { CridError } from "../../failure/mod.ts";
import type { MountRequest } from "../../oci/mod.ts";
import type { Mount } from "../../gen/runtime/v1/api.ts";
import { propagation } from "./enums.ts";
import { readIdMaps, writeIdMap } from "./namespaces.ts";
import { readAbsolutePath, readPath } from "./text.ts";

/** @throws {CridError} `invalid_argument` for a mount that leads nowhere. */
export function readMount(mount: Mount): MountRequest {
  const { containerPath, hostPath, image } = mount;
  if (containerPath === "") {
    throw new CridError("invalid_argument", `mount of "${hostPath}": container_path is missing`);
  }
  const reference = image?.image ?? "";
  if (hostPath !== "" && reference !== "") {
    throw new CridError(
      "invalid_argument",
      `mount ${containerPath}: host_path and image exclude each other`,
    );
  }
  readPath(containerPath, `mount of "${hostPath}": container path`);
  readPath(mount.imageSubPath, `mount ${containerPath}: image sub path`);
  if (hostPath !== "") readAbsolutePath(hostPath, `mount ${containerPath}: host path`);
  const idMaps = readIdMaps(mount.uidMappings, mount.gidMappings);
  return {
    containerPath,
    hostPath,
    readonly: mount.readonly,
    recursiveReadonly: mount.recursiveReadOnly,
    selinuxRelabel: mount.selinuxRelabel,
    propagation: propagation.read(mount.propagation),
    ...(idMaps && { idMaps }),
    ...(reference !== "" && {
      image: {
        reference,
        subPath: mount.imageSubPath,
        ...(image?.userSpecifiedImage && { userSpecified: image.userSpecifiedImage }),
      },
    }),
  };
}

/** @param mount Its `imageId` is known when an image is mounted. */
export function writeMount(mount: MountRequest & { readonly imageId?: string }): Mount {
  return {
    containerPath: mount.containerPath,
    hostPath: mount.hostPath,
    readonly: mount.readonly,
    recursiveReadOnly: mount.recursiveReadonly,
    selinuxRelabel: mount.selinuxRelabel,
    propagation: propagation.write(mount.propagation),
    uidMappings: mount.idMaps?.uids.map(writeIdMap) ?? [],
    gidMappings: mount.idMaps?.gids.map(writeIdMap) ?? [],
    image: mount.image && {
      // The kubelet keeps images of running containers by what is here.
      image: mount.imageId ?? mount.image.reference,
      annotations: {},
      userSpecifiedImage: mount.image.reference,
      runtimeHandler: "",
      imageRef: mount.imageId ?? "",
    },
    imageSubPath: mount.image?.subPath ?? "",
  };
}
