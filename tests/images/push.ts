/**
 * Putting built images into a registry, by the distribution API ("Pushing blobs", "Pushing manifests").
 *
 * @module
 */
import type { BuiltImage, Manifest } from "./image.ts";
import type { Blob } from "./layer.ts";

/** Pushes `image` to `http://host:port` as `repository` with every tag. */
export async function pushImage(
  registryUrl: string,
  repository: string,
  tags: readonly string[],
  image: BuiltImage,
): Promise<void> {
  const base = `${registryUrl}/v2/${repository}`;
  const unique = new Map(image.blobs.map((blob) => [blob.digest, blob]));
  await Promise.all(unique.values().map((blob) => pushBlob(base, blob)));
  for (const child of image.children) await pushManifest(base, child.blob.digest, child);
  for (const tag of tags) await pushManifest(base, tag, image.manifest);
}

async function pushBlob(base: string, blob: Blob): Promise<void> {
  const present = await fetch(`${base}/blobs/${blob.digest}`, { method: "HEAD" });
  if (present.ok) return;
  const { location } = await request(`${base}/blobs/uploads/`, { method: "POST" });
  const url = new URL(location, base);
  url.searchParams.set("digest", blob.digest);
  await request(url, {
    method: "PUT",
    headers: { "content-type": "application/octet-stream" },
    body: await blobBody(blob),
  });
}

async function blobBody({ content }: Blob): Promise<BodyInit> {
  if ("path" in content) return (await Deno.open(content.path)).readable;
  return content;
}

async function pushManifest(base: string, reference: string, manifest: Manifest): Promise<void> {
  const { content } = manifest.blob;
  if ("path" in content) throw new Error("a manifest is held in memory");
  await request(`${base}/manifests/${reference}`, {
    method: "PUT",
    headers: { "content-type": manifest.mediaType },
    body: content,
  });
}

async function request(
  url: URL | string,
  init: RequestInit,
): Promise<{ readonly location: string }> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`push: ${init.method} ${url}: registry answered ${response.status}: ${text}`);
  }
  return { location: response.headers.get("location") ?? "" };
}
