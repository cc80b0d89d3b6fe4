/**
 * The directories of a node on small file systems of their own, whose room is what a test says.
 *
 * @module
 */
import { isMountPoint, mount, MountFlag, statfs, umount, UmountFlag } from "../../src/linux/mod.ts";
import type { Node } from "../harness/mod.ts";

/** What can run out. */
export type Resource = "bytes" | "files";

/** Where crid writes. */
export const PLACES = ["storageRoot", "runRoot", "logs", "namespaces", "exits"] as const;
export type Place = typeof PLACES[number];

export interface SmallDisks extends Disposable {
  /** Leaves room for so many more pages, or files, in a place. */
  leave(place: Place, resource: Resource, free: number): void;
  /** Room enough for everything everywhere. */
  enough(): void;
}

const ROOMY = { bytes: 256 << 20, files: 100_000 } as const;
const PAGE = 4096;

/** Puts each place of a node, which crid has not used yet, on a tmpfs. */
export function smallDisks(node: Node): SmallDisks {
  using stack = new DisposableStack();
  for (const place of PLACES) {
    const path = node[place];
    Deno.mkdirSync(path, { recursive: true });
    mount("tmpfs", path, "tmpfs", 0, `mode=0755,size=${ROOMY.bytes},nr_inodes=${ROOMY.files}`);
    // The node's own end takes it away as well.
    stack.defer(() => isMountPoint(path) ? umount(path, UmountFlag.DETACH) : undefined);
  }
  const mounted = stack.move();
  const limit = (place: Place, bytes: number, files: number) =>
    mount("tmpfs", node[place], "tmpfs", MountFlag.REMOUNT, `size=${bytes},nr_inodes=${files}`);
  return {
    leave(place, resource, free) {
      const now = statfs(node[place]);
      const bytes = now.size - now.free + free * PAGE;
      // A limit of nothing is no limit.
      if (resource === "bytes") limit(place, Math.max(bytes, PAGE), ROOMY.files);
      else limit(place, ROOMY.bytes, now.inodes - now.inodesFree + free);
    },
    enough() {
      for (const place of PLACES) limit(place, ROOMY.bytes, ROOMY.files);
    },
    [Symbol.dispose]: () => mounted[Symbol.dispose](),
  };
}
