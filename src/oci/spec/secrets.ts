import { existsSync } from "node:fs";
import { chown, cp, lstat, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join, normalize } from "@std/path";
import { errorMessage } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import { hostId } from "../../security/mod.ts";
import type { SpecInput, SpecMount } from "../types.ts";
import type { SpecDraft } from "./draft.ts";
import { labelOwn } from "./selinux.ts";

/** Where the list is when the configuration names none; the first that exists counts. */
const MOUNTS_FILES = ["/etc/containers/mounts.conf", "/usr/share/containers/mounts.conf"];

/** Files of the host that every container gets a copy of (`default_mounts_file`). */
export async function secretsStage({ input, defaults, spec }: SpecDraft): Promise<void> {
  if (input.role === "infra") return;
  const files = defaults.defaultMountsFile === "" ? MOUNTS_FILES : [defaults.defaultMountsFile];
  for (const file of files) {
    if (!existsSync(file)) continue;
    const text = await readFile(file, "utf8").catch((error) => {
      log.warn(`the default mounts in ${file} are skipped: ${errorMessage(error)}`);
      return "";
    });
    for (const line of parseMountsFile(text)) {
      const mount = await copied(line, input, file);
      if (mount !== undefined) spec.mounts.push({ ...mount, options: [...mount.options] });
    }
    return;
  }
}

/** A line of mounts.conf. */
export interface SecretLine {
  readonly source: string;
  readonly destination: string;
}

/** Reads mounts.conf: `source:destination` a line; without a colon both are the same. */
export function parseMountsFile(text: string): SecretLine[] {
  return text.split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("/"))
    .map((line) => {
      const [source = "", destination = source] = line.split(":").map((part) => part.trim());
      return { source: normalize(source), destination: normalize(join("/", destination)) };
    });
}

/** A source that is not there is no error: hosts without a subscription have the list, too. */
async function copied(
  { source, destination }: SecretLine,
  input: SpecInput,
  file: string,
): Promise<SpecMount | undefined> {
  const { runDir, idMaps } = input;
  const copy = join(runDir, "secrets", destination);
  try {
    await stat(source);
    await mkdir(join(copy, ".."), { recursive: true, mode: 0o755 });
    await rm(copy, { recursive: true, force: true });
    await cp(source, copy, { recursive: true, dereference: true });
    const root = hostId(idMaps?.uids ?? [], 0) ?? 0;
    if (root !== 0) await give(copy, root, hostId(idMaps?.gids ?? [], 0) ?? root);
    await labelOwn(input, copy);
  } catch (error) {
    log.warn(`mount ${source} of ${file} is skipped: ${errorMessage(error)}`);
    return undefined;
  }
  return { destination, source: copy, type: "bind", options: ["bind", "rprivate"] };
}

/** Hands a copied tree to the root of a user namespace; there are no links in it. */
async function give(path: string, uid: number, gid: number): Promise<void> {
  await chown(path, uid, gid);
  if (!(await lstat(path)).isDirectory()) return;
  for (const name of await readdir(path)) await give(join(path, name), uid, gid);
}
