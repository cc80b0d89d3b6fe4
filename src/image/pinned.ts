import type { Image } from "./types.ts";

/**
 * Whether an image is pinned, so that the kubelet's garbage collection leaves it alone. The patterns are
 * CRI-O's `pinned_images`, compared without regard to case: `name` is exact, `name*` matches wherever it
 * occurs (as CRI-O's does), `*part*` wherever the part occurs.
 *
 * @param names Names, digests and id of the image.
 */
export function isPinned(patterns: readonly string[], names: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const lower = pattern.toLowerCase();
    const part = lower.replace(/^\*(?=.*\*$)/, "").replace(/\*$/, "");
    const matches = part === lower
      ? (name: string) => name === part
      : (name: string) => name.includes(part);
    return part !== "" && names.some((name) => matches(name.toLowerCase()));
  });
}

/** An artifact with the pin that it has by the same patterns, or by where it is. */
export function withPin(artifact: Image, patterns: readonly string[]): Image {
  const { id, repoTags, repoDigests } = artifact;
  if (artifact.pinned || !isPinned(patterns, [id, ...repoTags, ...repoDigests])) return artifact;
  return { ...artifact, pinned: true };
}
