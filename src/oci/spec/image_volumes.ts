import { chown, mkdir } from "node:fs/promises";
import { join, resolve } from "@std/path";
import { mkdirInRoot } from "../../linux/mod.ts";
import { hostId } from "../../security/mod.ts";
import type { SpecDraft } from "./draft.ts";
import { labelOwn } from "./selinux.ts";

/** Directories that the image declares as volumes (`image_volumes`). */
export async function imageVolumesStage({ input, defaults, spec, user }: SpecDraft): Promise<void> {
  if (defaults.imageVolumes === "ignore") return;
  const uid = hostId(input.idMaps?.uids ?? [], user.uid) ?? 0;
  const gid = hostId(input.idMaps?.gids ?? [], user.gid) ?? 0;
  for (const volume of input.image.volumes) {
    const destination = resolve("/", volume);
    if (spec.mounts.some((mount) => mount.destination === destination)) continue;
    using _ = mkdirInRoot(input.rootfs, destination, { uid, gid });
    if (defaults.imageVolumes !== "bind") continue;
    const source = join(input.runDir, "mounts", crypto.randomUUID());
    await mkdir(source, { recursive: true, mode: 0o755 });
    await chown(source, uid, gid);
    await labelOwn(input, source);
    spec.mounts.push({ destination, source, type: "bind", options: ["private", "bind", "rw"] });
  }
}
