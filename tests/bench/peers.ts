/**
 * What other programs need for the same work, measured in the same run.
 *
 * @module
 */
import { join } from "@std/path";
import { mountsBelow, umount, UmountFlag } from "../../src/linux/mod.ts";
import { output } from "../harness/mod.ts";
import { time } from "./measure.ts";

/**
 * Milliseconds that skopeo needs to get an image into a store of its own: the libraries of CRI-O and podman, with
 * the start of a program.
 *
 * @param directory Of a node; the store is below it.
 */
export async function skopeoPull(directory: string, reference: string): Promise<number> {
  const root = join(directory, "skopeo");
  const store = `[overlay@${root}/graph+${root}/run]`;
  const taken = await time(() =>
    output(undefined, "skopeo", [
      ...["--policy", join(directory, "policy.json"), "copy", "--quiet", "--src-tls-verify=false"],
      ...[`docker://${reference}`, `containers-storage:${store}localhost/copy:latest`],
    ])
  );
  for (const path of mountsBelow(root)) umount(path, UmountFlag.DETACH);
  await Deno.remove(root, { recursive: true });
  return taken;
}
