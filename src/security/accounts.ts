import { readFileInRoot } from "../linux/mod.ts";

/** A line of /etc/passwd. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** A line of /etc/group. */
export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Far more than any real file; an image with more is refused and not read into memory. */
const MAX_BYTES = 4 * 1024 * 1024;

/** The accounts of a root file system; lines that make no sense are skipped, as libc does. */
export function readAccounts(rootfs: string): readonly Account[] {
  const accounts: Account[] = [];
  for (const line of readTable(rootfs, "/etc/passwd").split("\n")) {
    const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
    if (name === "" || !isId(uid) || !isId(gid)) continue;
    accounts.push({ name, uid: Number(uid), gid: Number(gid), home });
  }
  return accounts;
}

/** The groups of a root file system; lines that make no sense are skipped. */
export function readGroups(rootfs: string): readonly Group[] {
  const groups: Group[] = [];
  for (const line of readTable(rootfs, "/etc/group").split("\n")) {
    const [name = "", , gid = "", members = ""] = line.split(":");
    if (name === "" || !isId(gid)) continue;
    groups.push({
      name,
      gid: Number(gid),
      members: members.split(",").map((member) => member.trim()).filter((member) => member !== ""),
    });
  }
  return groups;
}

/** Reads a table of the rootfs; `""` when it has none. @throws {CridError} for one that is no file. */
export function readTable(rootfs: string, inner: string): string {
  return new TextDecoder().decode(readFileInRoot(rootfs, inner, MAX_BYTES));
}

/** Whether `text` is an id that Linux can have (the last one, 2^32-1, means "none"). */
export function isId(text: string): boolean {
  return /^[0-9]{1,10}$/.test(text) && Number(text) < 0xffff_ffff;
}
