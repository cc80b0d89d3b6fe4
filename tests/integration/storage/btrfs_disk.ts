import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "@std/path";
import { isMountPoint, run } from "../../../src/linux/mod.ts";

/** Bytes; mkfs.btrfs takes no less than 109 MiB. */
const SIZE = 512 << 20;

/** Whether this kernel can have btrfs on a file. */
export function hasBtrfs(): boolean {
  return /\tbtrfs$/m.test(readFileSync("/proc/filesystems", "utf8")) &&
    spawnSync("losetup", ["--find"]).status === 0;
}

/** A btrfs file system of its own, on a file. */
export class BtrfsDisk implements AsyncDisposable {
  readonly path: string;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.path = join(directory, "mounted");
  }

  static async create(): Promise<BtrfsDisk> {
    const disk = new BtrfsDisk(await Deno.makeTempDir({ prefix: "crid-btrfs-" }));
    try {
      const image = join(disk.#directory, "image");
      await Deno.writeFile(image, new Uint8Array());
      await Deno.truncate(image, SIZE);
      await Deno.mkdir(disk.path);
      await succeed("mkfs.btrfs", "--quiet", image);
      await succeed("mount", "-o", "loop", "-t", "btrfs", image, disk.path);
      return disk;
    } catch (error) {
      await disk[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (isMountPoint(this.path)) await succeed("umount", this.path);
    await Deno.remove(this.#directory, { recursive: true });
  }
}

async function succeed(command: string, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}
