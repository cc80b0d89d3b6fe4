import { chown, writeFile } from "node:fs/promises";
import { join, normalize } from "@std/path";
import { hostId, readTable, type ResolvedUser, resolveUser } from "../../security/mod.ts";
import type { OciSpec } from "../types.ts";
import { annotation, parseUmask, SpecAnnotation } from "./annotations.ts";
import type { SpecDraft } from "./draft.ts";
import { labelOwn } from "./selinux.ts";

/** Who the process runs as; an account and a group for it where the image has none. */
export async function userStage(draft: SpecDraft): Promise<void> {
  const { input, spec } = draft;
  draft.user = resolveUser(input.rootfs, { ...input.security, imageUser: input.image.user });
  const { uid, gid, additionalGids } = draft.user;
  const umask = annotation(input.annotations, SpecAnnotation.umask);
  spec.process.user = {
    uid,
    gid,
    additionalGids: [...additionalGids],
    ...(umask === undefined ? {} : { umask: parseUmask(umask) }),
  };
  spec.mounts.push(...await accountMounts(draft));
}

/** Programs fail in odd ways when their user has no name: give it one. */
async function accountMounts({ input, spec, user }: SpecDraft): Promise<OciSpec["mounts"]> {
  const taken = new Set(input.mounts.map((mount) => normalize(mount.containerPath)));
  if (taken.has("/etc")) return [];
  const home = spec.process.env.find((entry) => entry.startsWith("HOME="))?.slice("HOME=".length) ??
    spec.process.cwd;
  const files: [string, string][] = [];
  if (user.account === undefined) files.push(["/etc/passwd", passwdLine(user, home)]);
  if (user.group === undefined) files.push(["/etc/group", `${user.gid}:x:${user.gid}:\n`]);
  const mounts: OciSpec["mounts"] = [];
  for (const [destination, line] of files) {
    const table = readTable(input.rootfs, destination);
    // An image without the file does without names altogether.
    if (table === "" || taken.has(destination)) continue;
    const source = join(input.runDir, destination.slice("/etc/".length));
    await writeFile(source, table + (table.endsWith("\n") ? "" : "\n") + line, { mode: 0o644 });
    await labelOwn(input, source);
    const root = hostId(input.idMaps?.uids ?? [], 0);
    if (root !== undefined && root !== 0) {
      await chown(source, root, hostId(input.idMaps?.gids ?? [], 0) ?? root);
    }
    const options = ["rw", "bind", "nodev", "nosuid", "noexec"];
    mounts.push({ destination, source, type: "bind", options });
  }
  return mounts;
}

function passwdLine({ uid, gid }: ResolvedUser, home: string): string {
  return `${uid}:*:${uid}:${gid}:container user:${home.replaceAll(":", "")}:/bin/sh\n`;
}
