import { chmod, chown, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "@std/path";
import { errorMessage } from "../../failure/mod.ts";
import { mkdirInRoot, pathOf, readFileInRoot } from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";
import { hostId } from "../../security/mod.ts";
import type { SpecDraft } from "./draft.ts";

const ZONES = "/usr/share/zoneinfo";
/** The largest zone has 4 kB. */
const MAX_BYTES = 1024 * 1024;

/** Gives the container the configured time zone, as a file of its own root. */
export async function timezoneStage({ input, defaults }: SpecDraft): Promise<void> {
  if (defaults.timezone === "" || input.role === "infra") return;
  const data = await zoneData(defaults.timezone, input.rootfs);
  if (data === undefined) return;
  const uid = hostId(input.idMaps?.uids ?? [], 0) ?? 0;
  const gid = hostId(input.idMaps?.gids ?? [], 0) ?? 0;
  using etc = mkdirInRoot(input.rootfs, "/etc", { uid, gid });
  const place = join(pathOf(etc), "localtime");
  // Often a link: what it leads to is the image's and stays as it is.
  await rm(place, { force: true });
  await writeFile(place, data, { flag: "wx" });
  await chmod(place, 0o644);
  await chown(place, uid, gid);
}

/** The zone's rules from the host, or from the image when the host has none. */
async function zoneData(timezone: string, rootfs: string): Promise<Uint8Array | undefined> {
  const local = timezone.toLowerCase() === "local";
  const path = local ? "/etc/localtime" : join(ZONES, timezone);
  try {
    return await readFile(path);
  } catch (error) {
    const found = local ? undefined : readFileInRoot(rootfs, path, MAX_BYTES);
    if (found === undefined) log.warn(`timezone ${timezone} is not set: ${errorMessage(error)}`);
    return found;
  }
}
