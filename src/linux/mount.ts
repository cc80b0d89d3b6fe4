import { check } from "./errno.ts";
import { AT_FDCWD, Fd } from "./fd.ts";
import { cString, libc, SYSCALL } from "./libc.ts";

/** Flags of mount(2). Combine with `|`. */
export const MountFlag = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  DIRSYNC: 128,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  SILENT: 32768,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
  STRICTATIME: 1 << 24,
} as const;

/** Flags of umount2(2). */
export const UmountFlag = { FORCE: 1, DETACH: 2, EXPIRE: 4, NOFOLLOW: 8 } as const;

/** Data of mount(2) is copied by whole pages; one page is all that fits. */
export const MAX_MOUNT_DATA = 4095;

/**
 * mount(2).
 *
 * @param source Ignored by the kernel for some types; `"none"` or `"overlay"` show in the table.
 * @param fstype `""` for bind mounts and changes of propagation.
 * @throws {Errno}
 */
export function mount(
  source: string,
  target: string,
  fstype = "",
  flags = 0,
  data = "",
): void {
  check(
    libc().mount(cString(source), cString(target), cString(fstype), BigInt(flags), cString(data)),
    "mount",
    `${source === "" ? fstype : source} on ${target}`,
  );
}

/**
 * umount2(2).
 *
 * @throws {Errno} `EINVAL` when it is no mount point, `EBUSY`.
 */
export function umount(target: string, flags = 0): void {
  check(libc().umount2(cString(target), flags), "umount", target);
}

const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const CLOEXEC = 1;

/** Attributes of a mount for fsmount(2). */
export const MountAttribute = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8 } as const;

/**
 * Mounts a new file system over fsopen(2), which has no limit on the length of all options together
 * (a single value is limited to 255 bytes).
 *
 * @param options In order; an `undefined` value is a flag.
 * @param attributes Of {@linkcode MountAttribute}.
 * @throws {Errno} `ENOSYS` before Linux 5.2.
 */
export function mountNew(
  fstype: string,
  target: string,
  options: Iterable<readonly [key: string, value: string | undefined]>,
  attributes = 0,
): void {
  const c = libc();
  const context = c.sysFsopen(BigInt(SYSCALL.fsopen), cString(fstype), BigInt(CLOEXEC));
  using fs = new Fd(check(context, "fsopen", fstype));
  const configure = (command: number, key: string | undefined, value: string | undefined) => {
    const result = c.sysFsconfig(
      BigInt(SYSCALL.fsconfig),
      BigInt(fs.number),
      BigInt(command),
      key === undefined ? null : cString(key),
      value === undefined ? null : cString(value),
      0n,
    );
    check(
      result,
      "fsconfig",
      `${fstype} ${key ?? "create"}${value === undefined ? "" : "=" + value}`,
    );
  };
  for (const [key, value] of options) {
    configure(value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, value);
  }
  configure(FSCONFIG_CMD_CREATE, undefined, undefined);
  const made = c.sysFsmount(
    BigInt(SYSCALL.fsmount),
    BigInt(fs.number),
    BigInt(CLOEXEC),
    BigInt(attributes),
  );
  using mounted = new Fd(check(made, "fsmount", fstype));
  moveMount(mounted, target);
}

/** Attaches a detached mount to the tree. @throws {Errno} */
export function moveMount(detached: Fd, target: string): void {
  const result = libc().sysMoveMount(
    BigInt(SYSCALL.moveMount),
    BigInt(detached.number),
    cString(""),
    BigInt(AT_FDCWD),
    cString(target),
    BigInt(MOVE_MOUNT_F_EMPTY_PATH),
  );
  check(result, "move_mount", target);
}

const OPEN_TREE_CLONE = 1;
const AT_RECURSIVE = 0x8000;
const AT_EMPTY_PATH = 0x1000;

/** A detached copy of the mount at `path`; with `"recursive"`, of those below it too. @throws {Errno} */
export function cloneMount(path: string, depth: "single" | "recursive"): Fd {
  const recursive = depth === "recursive" ? AT_RECURSIVE : 0;
  const result = libc().sysOpenTree(
    BigInt(SYSCALL.openTree),
    BigInt(AT_FDCWD),
    cString(path),
    BigInt(OPEN_TREE_CLONE | 0o2000000 | recursive),
  );
  return new Fd(check(result, "open_tree", path));
}

const MOUNT_ATTR_IDMAP = 0x00100000n;

/**
 * Maps the owner ids of a detached mount by a user namespace, and makes it read-only.
 *
 * @param userNamespace An open `/proc/<pid>/ns/user`.
 * @throws {Errno} `EINVAL` when the file system cannot.
 */
export function mapMountIds(detached: Fd, userNamespace: Fd): void {
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd; u64 each.
  const attributes = new BigUint64Array([
    MOUNT_ATTR_IDMAP | BigInt(MountAttribute.RDONLY),
    0n,
    0n,
    BigInt(userNamespace.number),
  ]);
  const result = libc().sysMountSetattr(
    BigInt(SYSCALL.mountSetattr),
    BigInt(detached.number),
    cString(""),
    BigInt(AT_EMPTY_PATH | AT_RECURSIVE),
    new Uint8Array(attributes.buffer),
    BigInt(attributes.byteLength),
  );
  check(result, "mount_setattr", "idmap");
}
