import * as fs from "node:fs";
import {
  cloneMount,
  isErrno,
  mapMountIds,
  mountId,
  moveMount,
  open,
  OpenFlag,
  umount,
  UmountFlag,
} from "../linux/mod.ts";

/**
 * The drivers' homes as a user namespace sees them, for as long as it takes to mount a layer: overlay
 * keeps hold of what it has mounted of them. They are read-only, so nothing that meets one after a
 * crash can do harm to the layers in it.
 */
export class MappedHomes implements Disposable {
  /** In the order of `homes`. */
  readonly paths: readonly string[];
  readonly #directory: string;

  /**
   * @param directory The layer's own, where containers/storage has them, too.
   * @param userNamespace Path of a user namespace with the wanted maps.
   * @throws {Errno} `EINVAL` when the file system cannot map ids, `ENOSYS` when the kernel cannot.
   */
  constructor(directory: string, homes: readonly string[], userNamespace: string) {
    this.#directory = directory;
    this.paths = homes.map((_, at) => `${directory}/mapped/${at}`);
    using namespace = open(userNamespace, OpenFlag.READ);
    try {
      for (const [at, home] of homes.entries()) {
        using clone = cloneMount(home, "single");
        mapMountIds(clone, namespace);
        fs.mkdirSync(this.paths[at]!, { recursive: true, mode: 0o700 });
        moveMount(clone, this.paths[at]!);
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    removeMappedHomes(this.#directory);
  }
}

/** Takes mapped homes of a layer away, those too that a crash has left. */
export function removeMappedHomes(directory: string): void {
  const mapped = `${directory}/mapped`;
  let names: string[];
  try {
    names = fs.readdirSync(mapped);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error;
  }
  for (const name of names) {
    const path = `${mapped}/${name}`;
    while (mountId(path) !== mountId(mapped)) umount(path, UmountFlag.DETACH | UmountFlag.NOFOLLOW);
    fs.rmdirSync(path);
  }
  fs.rmdirSync(mapped);
}
