import { check } from "./errno.ts";
import { cString, libc } from "./libc.ts";

/** What a file system is and how full. */
export interface FileSystemInfo {
  /** Magic number, of {@linkcode FsMagic} if crid knows it. */
  readonly type: number;
  readonly blockSize: number;
  /** Bytes. */
  readonly size: number;
  readonly free: number;
  /** What users other than root can still write. */
  readonly available: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

/** Magic numbers that decisions depend on. */
export const FsMagic = {
  BTRFS: 0x9123683e,
  CGROUP: 0x27e0eb,
  CGROUP2: 0x63677270,
  EXT: 0xef53,
  NSFS: 0x6e736673,
  OVERLAY: 0x794c7630,
  PROC: 0x9fa0,
  TMPFS: 0x01021994,
  XFS: 0x58465342,
} as const;

/** statfs(2), also for paths of /sys that Deno does not open. @throws {Errno} */
export function statfs(path: string): FileSystemInfo {
  const buffer = new Uint8Array(120);
  check(libc().statfs(cString(path), buffer), "statfs", path);
  const view = new DataView(buffer.buffer);
  const field = (index: number) => Number(view.getBigUint64(index * 8, true));
  const blockSize = field(1);
  return {
    type: field(0),
    blockSize,
    size: field(2) * blockSize,
    free: field(3) * blockSize,
    available: field(4) * blockSize,
    inodes: field(5),
    inodesFree: field(6),
  };
}
