/**
 * The images that tests and benchmarks use, built here out of Debian packages' files, and the means to
 * build others: layers entry by entry, images, indexes, and pushing them.
 *
 * ```ts
 * await pushTestImages(registry.url, ["e2e-test-images/busybox", "crid/whiteouts"]);
 * ```
 *
 * @module
 */
import { BENCH_IMAGES } from "./bench_images.ts";
import { type CatalogEntry, CONFORMANCE_IMAGES } from "./catalog.ts";
import { pushImage } from "./push.ts";
import { SPECIAL_IMAGES } from "./special.ts";

export { BENCH_IMAGES, LARGE } from "./bench_images.ts";
export { busyboxLayer, type CatalogEntry, CONFORMANCE_IMAGES, pauseImage } from "./catalog.ts";
export { busyboxImage, markedImage, userImage } from "./catalog.ts";
export { dir, file, hardlink, hostFile, program, symlink, withParents } from "./entries.ts";
export * from "./image.ts";
export { type Blob, bytesBlob, type Compression, type Layer, layer, sha256 } from "./layer.ts";
export { pushImage } from "./push.ts";
export { MANY_LAYERS, multiArchitectureImage, SPECIAL_IMAGES } from "./special.ts";
export { EPOCH, tar, tarChunks, type TarEntry } from "./tar.ts";

/** The reference under which critest asks for its default image. */
export const BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.29-2";

const CATALOG: readonly CatalogEntry[] = [
  ...CONFORMANCE_IMAGES,
  ...SPECIAL_IMAGES,
  ...BENCH_IMAGES,
];

/**
 * Builds and pushes images to `http://host:port`.
 *
 * @param repositories Which ones, by repository path; by default all but the benchmarks'.
 */
export async function pushTestImages(
  registryUrl: string,
  repositories?: readonly string[],
): Promise<void> {
  const wanted = repositories === undefined
    ? [...CONFORMANCE_IMAGES, ...SPECIAL_IMAGES]
    : CATALOG.filter(({ repository }) => repositories.includes(repository));
  const missing = repositories?.filter((name) =>
    !CATALOG.some(({ repository }) => repository === name)
  );
  if (missing !== undefined && missing.length > 0) {
    throw new Error(`no such test image: ${missing.join(", ")}`);
  }
  for (const { repository, tags, build } of wanted) {
    await pushImage(registryUrl, repository, tags, await build());
  }
}
