import { join } from "@std/path";
import { CridError } from "../../failure/mod.ts";
import { mkdirInRoot, resolveInRoot } from "../../linux/mod.ts";
import type { MountRequest, SpecDefaults } from "../types.ts";

/**
 * The source of a bind mount with every link resolved, as runtimes want it. A missing one is made, a
 * directory, as Kubernetes' users expect of a host path without a type.
 *
 * @throws {CridError} `invalid_argument` for a missing source that the configuration names.
 */
export function hostSource(
  { hostPath, image }: MountRequest,
  { bindMountPrefix, absentMountSourcesToReject }: SpecDefaults,
): string {
  // An image is mounted by crid itself, below its own directories.
  const root = image === undefined ? bindMountPrefix || "/" : "/";
  const found = resolveInRoot(root, hostPath);
  if (found !== undefined) return found;
  if (absentMountSourcesToReject.includes(join("/", hostPath))) {
    throw new CridError(
      "invalid_argument",
      `cannot mount ${hostPath}: path does not exist and will cause issues as a directory`,
    );
  }
  using _ = mkdirInRoot(root, hostPath);
  return resolveInRoot(root, hostPath) ?? join(root, hostPath);
}
