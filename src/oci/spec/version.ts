/** The newest version whose fields crid writes. */
const NEWEST = [1, 2, 0];

/**
 * The `ociVersion` of a spec: the newest that both the runtime and crid know. crun before 1.9 refuses
 * any but 1.0.x.
 *
 * @param accepted The newest that the runtime accepts: `1.0.2-dev`.
 */
export function specVersion(accepted: string): string {
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(accepted)?.slice(1).map(Number) ?? [1, 0, 0];
  const difference = parts.map((part, at) => part - NEWEST[at]!).find((part) => part !== 0) ?? 0;
  return (difference > 0 ? NEWEST : parts).join(".");
}
