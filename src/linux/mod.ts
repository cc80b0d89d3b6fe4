/**
 * The kernel, and the only place with FFI.
 *
 * Deno refuses everything below /proc, /sys and most of /dev to an isolate that does not hold all
 * permissions without scope, and the isolates of crid do not: read and write there with
 * `readKernelFile`, `writeKernelFile`, `listKernelDirectory`, `readKernelLink` and `stat`.
 *
 * @module
 */

export { Errno, isErrno } from "./errno.ts";
export { AT_FDCWD, closeOnExec, Fd, open, openAt, OpenFlag, pathOf, syncFileSystem } from "./fd.ts";
export { type FileStat, lstatAt, lstatIfThere, mountId, stat, statFd } from "./stat.ts";
export { type FileSystemInfo, FsMagic, statfs } from "./statfs.ts";
export {
  createSubvolume,
  deleteSubvolume,
  isBtrfs,
  isSubvolume,
  snapshotSubvolume,
} from "./btrfs.ts";
export {
  cloneMount,
  mapMountIds,
  MAX_MOUNT_DATA,
  mount,
  MountAttribute,
  MountFlag,
  mountNew,
  moveMount,
  umount,
  UmountFlag,
} from "./mount.ts";
export {
  isMountPoint,
  type MountInfo,
  mountInfo,
  mountsBelow,
  parseMountInfo,
} from "./mount_info.ts";
export { deviceNumber, deviceParts, FileType, mknod } from "./node.ts";
export {
  isDirectory,
  lstatAtIfThere,
  openDirectoryAt,
  readDirectory,
  removeTreeAt,
} from "./directory.ts";
export { type Visit, walkTree } from "./tree.ts";
export { lgetxattr, llistxattr, lremovexattr, lsetxattr } from "./xattr.ts";
export { type LockMode, OfdLock } from "./lock.ts";
export { sendDatagram } from "./datagram.ts";
export { connectLoopback } from "./loopback.ts";
export { releaseFreeMemory, releaseLargeBlocks } from "./memory.ts";
export { PidFd } from "./pidfd.ts";
export {
  type MadeFile,
  mkdirInRoot,
  openInRoot,
  readFileInRoot,
  resolveInRoot,
  type Root,
} from "./rooted.ts";
export {
  parseProcessStat,
  processArguments,
  type ProcessStat,
  processStat,
  processStatus,
  processVariable,
} from "./proc.ts";
export {
  CAPABILITIES,
  capabilities,
  type Capability,
  getRlimit,
  RLIM_INFINITY,
  type Rlimit,
  type RlimitName,
  RLIMITS,
} from "./limits.ts";

export {
  DEFAULT_PATH,
  exit,
  killGroup,
  run,
  type RunOptions,
  type RunResult,
  signalChild,
  start,
  type StartOptions,
  startThrough,
} from "./process.ts";
export {
  askKernelFile,
  type KernelEntry,
  KernelFileError,
  kernelFileExists,
  listKernelDirectory,
  makeKernelDirectory,
  readKernelFile,
  readKernelLink,
  removeKernelDirectory,
  writeKernelFile,
  writeSlowKernelFile,
} from "./kernel_files.ts";
export {
  closeFile,
  type EntryName,
  entryName,
  type FileTime,
  finishFile,
  makeDirectory,
  makeFile,
  makeHardLink,
  makeNode,
  makeSymlink,
  openDirectoryInRoot,
  removeEntry,
  setMode,
  setOwner,
  setTime,
  writeAll,
} from "./entries.ts";
