import { CridError } from "../../failure/mod.ts";
import type { FsUsage, Image, RegistryAuth } from "../../image/mod.ts";
import type {
  AuthConfig,
  FilesystemUsage,
  Image as WireImage,
  ImageSpec,
  PodSandboxConfig,
} from "../../gen/runtime/v1/api.ts";
import { toInt64, toUint64 } from "./numbers.ts";
import { readName, readPath } from "./text.ts";

/** @throws {CridError} `invalid_argument` when no image is named. */
export function readReference(image: ImageSpec | undefined): string {
  if (image === undefined || image.image === "") {
    throw new CridError("invalid_argument", "no image specified");
  }
  return image.image;
}

/** Credentials, `undefined` when every field is empty. */
export function readAuth(auth: AuthConfig | undefined): RegistryAuth | undefined {
  const isEmpty = auth === undefined || !Object.values(auth).some((value) => value !== "");
  return isEmpty ? undefined : auth;
}

/** For which pod an image is pulled: its namespace has credentials and policies, its cgroup pays. */
export function readPodOfPull(
  config: PodSandboxConfig | undefined,
): { readonly namespace: string; readonly cgroupParent: string } {
  const namespace = config?.metadata?.namespace ?? "";
  return {
    namespace: namespace && readName(namespace, "pod namespace"),
    cgroupParent: readPath(config?.linux?.cgroupParent ?? "", "cgroup parent"),
  };
}

/** An image as lists have it. */
export function writeImage(image: Image): WireImage {
  return {
    id: image.id,
    repoTags: image.repoTags,
    repoDigests: image.repoDigests,
    size: toUint64(image.size),
    uid: image.uid === undefined ? undefined : { value: toInt64(image.uid) },
    username: image.username,
    spec: undefined,
    pinned: image.pinned,
  };
}

/** An image as its status has it: with the annotations. */
export function writeImageStatus(image: Image): WireImage {
  return {
    ...writeImage(image),
    spec: {
      image: "",
      annotations: image.annotations,
      userSpecifiedImage: "",
      runtimeHandler: "",
      imageRef: "",
    },
  };
}

/** What `crictl inspecti` shows: the labels, and the config as it is in the image. */
export function imageInfo(image: Image): string {
  let imageSpec: unknown;
  try {
    imageSpec = JSON.parse(image.configJson);
  } catch {
    // The config came from a registry; a broken one must not hide the rest.
    imageSpec = null;
  }
  return JSON.stringify({ labels: image.config.labels, imageSpec });
}

/** @param timestamp Nanoseconds of the Unix epoch. */
export function writeFsUsage(usage: FsUsage, timestamp: bigint): FilesystemUsage {
  return {
    timestamp,
    fsId: { mountpoint: usage.mountpoint },
    usedBytes: { value: toUint64(usage.bytes) },
    inodesUsed: { value: toUint64(usage.inodes) },
  };
}
