/** Versions of the CNI specification that crid speaks, ascending. */
export const SUPPORTED_VERSIONS = [
  "0.1.0",
  "0.2.0",
  "0.3.0",
  "0.3.1",
  "0.4.0",
  "1.0.0",
  "1.1.0",
] as const;

/** A configuration that names none. */
export const OLDEST_VERSION = SUPPORTED_VERSIONS[0];

/** Whether `version`, one of {@linkcode SUPPORTED_VERSIONS}, is `other` or later. */
export function isAtLeast(version: string, other: typeof SUPPORTED_VERSIONS[number]): boolean {
  return rank(version) >= rank(other);
}

/** The latest version that crid speaks of those named; `undefined` when it speaks none. */
export function latestSupported(versions: readonly string[]): string | undefined {
  return versions.filter((version) => rank(version) >= 0).toSorted((a, b) => rank(b) - rank(a))[0];
}

function rank(version: string): number {
  return (SUPPORTED_VERSIONS as readonly string[]).indexOf(version);
}
