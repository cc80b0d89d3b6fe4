import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import {
  closeFile,
  deviceNumber,
  type EntryName,
  entryName,
  Errno,
  type Fd,
  type FileTime,
  FileType,
  finishFile,
  isErrno,
  lsetxattr,
  lstatAt,
  makeDirectory,
  makeFile,
  makeHardLink,
  makeNode,
  makeSymlink,
  removeEntry,
  setMode,
  setOwner,
  setTime,
  writeAll,
} from "../../linux/mod.ts";
import { CridError } from "../../failure/mod.ts";
import { Directories } from "./directories.ts";
import { cleanPath, splitPath } from "./entry_path.ts";
import { badArchive, shown, type TarHeader } from "./tar_header.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** AUFS' own bookkeeping at the root of a layer; it says nothing about the layer. */
const AUFS_META = ".wh..wh.";
const OPAQUE_XATTR = "trusted.overlay.opaque";
/** What the paths of a layer may take, in bytes: some four million of them. */
const MOST_REMEMBERED = 512 * 1024 * 1024;
/** What a path takes beside its own length. */
const ENTRY_BYTES = 64;

/**
 * Writes a layer's entries below one directory as containers/storage does for overlay: whiteouts
 * become devices 0:0, opaque directories get an attribute, an entry for the root itself changes
 * nothing. Nothing it writes is outside the directory, whatever the archive says.
 */
export class Extractor implements Disposable {
  readonly #root: Fd;
  readonly #directories: Directories;
  /** Cleaned paths of all entries so far, see {@linkcode remembered}. */
  readonly #seen = new Set<string>();
  /** Times are set last: making an entry in a directory changes them. */
  readonly #directoryTimes: (readonly [path: string, time: FileTime])[] = [];
  readonly uids: Set<number> = new Set();
  readonly gids: Set<number> = new Set();
  readonly #mostRemembered: number;
  #remembered = 0;
  #file = -1;
  #header: TarHeader | undefined;

  /**
   * @param root The empty directory to fill; it stays the caller's.
   * @param mostRemembered Bytes that its paths may take in memory.
   */
  constructor(root: Fd, mostRemembered = MOST_REMEMBERED) {
    this.#root = root;
    this.#directories = new Directories(root.number);
    this.#mostRemembered = mostRemembered;
  }

  /**
   * Makes an entry; the content of a file follows.
   *
   * @throws {CridError} `invalid_argument` for what no layer may hold, `resource_exhausted` for paths
   * that fill the memory.
   * @throws {Errno} When the file system refuses.
   */
  entry(header: TarHeader): void {
    const path = cleanPath(header.name);
    const key = remembered(path);
    if (this.#seen.has(key)) {
      throw badArchive(`entry ${shown(header.name)} occurs twice, which no image may have`);
    }
    this.#seen.add(key);
    this.#remember(key);
    if (path === "") return;
    const [directory, name] = splitPath(path);
    try {
      if (name.startsWith(WHITEOUT)) return this.#whiteout(path, directory, name, header);
      this.uids.add(header.uid);
      this.gids.add(header.gid);
      this.#make(path, directory, name, header);
    } catch (error) {
      throw explained(header, error);
    }
  }

  /** Content of the file that was begun last. @throws {Errno} */
  content(bytes: Uint8Array): void {
    if (this.#file >= 0) writeAll(this.#file, bytes as Uint8Array<ArrayBuffer>);
  }

  /** The file that was begun last is complete. @throws {Errno} */
  endOfEntry(): void {
    const [file, header] = [this.#file, this.#header];
    if (file < 0 || header === undefined) return;
    this.#file = -1;
    try {
      finishFile(file, header, header.mode, timeOf(header));
      setXattrs(this.#parent, this.#name, header);
    } finally {
      closeFile(file);
    }
  }

  /** All entries are there. @throws {Errno} */
  finish(): void {
    for (const [path, time] of this.#directoryTimes) {
      const [directory, name] = splitPath(path);
      const parent = this.#directories.existing(directory);
      if (parent !== undefined) setTime(parent, entryName(name), time);
    }
  }

  [Symbol.dispose](): void {
    if (this.#file >= 0) closeFile(this.#file);
    this.#file = -1;
    this.#directories[Symbol.dispose]();
  }

  #parent = -1;
  #name: EntryName = new Uint8Array();

  #make(path: string, directory: string, name: string, header: TarHeader): void {
    const entry = entryName(name);
    let parent = this.#directories.descriptor(directory);
    switch (header.kind) {
      case "file":
        this.#file = this.#anew(path, directory, entry, (at) => makeFile(at, entry));
        this.#header = header;
        this.#name = entry;
        this.#parent = this.#directories.descriptor(directory);
        return;
      case "directory":
        this.#makeDirectory(path, directory, entry, header);
        return;
      case "hardlink":
        this.#hardLink(path, directory, entry, header);
        return;
      case "symlink": {
        if (header.linkName === "") throw badArchive(`link ${shown(header.name)} leads nowhere`);
        const target = entryName(header.linkName);
        this.#anew(path, directory, entry, (at) => makeSymlink(at, entry, target));
        break;
      }
      default: {
        const [type, device] = nodeOf(header);
        this.#anew(path, directory, entry, (at) => makeNode(at, entry, type | 0o600, device));
      }
    }
    parent = this.#directories.descriptor(directory);
    setOwner(parent, entry, header.uid, header.gid);
    if (header.kind !== "symlink") setMode(parent, entry, header.mode);
    setXattrs(parent, entry, header);
    setTime(parent, entry, timeOf(header));
  }

  #makeDirectory(path: string, directory: string, entry: EntryName, header: TarHeader): void {
    try {
      makeDirectory(this.#directories.descriptor(directory), entry, 0o700);
    } catch (error) {
      // Made before for something in it; or another kind of file, through a link.
      if (!isErrno(error, "EEXIST")) throw error;
      if (!this.#isDirectory(directory, entry)) {
        this.#remove(directory, entry);
        makeDirectory(this.#directories.descriptor(directory), entry, 0o700);
      }
    }
    const parent = this.#directories.descriptor(directory);
    setOwner(parent, entry, header.uid, header.gid);
    setMode(parent, entry, header.mode);
    setXattrs(parent, entry, header);
    this.#directoryTimes.push([path, timeOf(header)]);
    this.#remember(path);
  }

  #hardLink(path: string, directory: string, entry: EntryName, header: TarHeader): void {
    const target = cleanPath(header.linkName);
    const [fromDirectory, fromName] = splitPath(target);
    const missing = () =>
      badArchive(
        `hard link ${shown(header.name)} to ${shown(header.linkName)}, which is not in the layer`,
      );
    if (fromName === "") throw missing();
    this.#anew(path, directory, entry, (at) => {
      const from = this.#directories.existing(fromDirectory);
      if (from === undefined) throw missing();
      try {
        makeHardLink(from, entryName(fromName), at, entry);
      } catch (error) {
        throw isErrno(error, "ENOENT", "EPERM") ? missing() : error;
      }
    });
  }

  /** Makes something, in place of what an entry under another name has put there. */
  #anew<T>(
    path: string,
    directory: string,
    entry: EntryName,
    make: (parent: number) => T,
  ): T {
    try {
      return make(this.#directories.descriptor(directory));
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      if (this.#isDirectory(directory, entry)) {
        throw badArchive(`entry ${shown(path)} would replace a directory`);
      }
      this.#remove(directory, entry);
      return make(this.#directories.descriptor(directory));
    }
  }

  /** Whether the entry itself is a directory; a link to one is none. */
  #isDirectory(directory: string, entry: EntryName): boolean {
    const { mode } = lstatAt(this.#directories.descriptor(directory), entry.subarray(0, -1));
    return (mode & constants.S_IFMT) === constants.S_IFDIR;
  }

  #remember(path: string): void {
    this.#remembered += path.length + ENTRY_BYTES;
    if (this.#remembered <= this.#mostRemembered) return;
    throw new CridError("resource_exhausted", "the layer has more paths than crid can remember");
  }

  #remove(directory: string, entry: EntryName): void {
    removeEntry(this.#directories.descriptor(directory), entry, "file");
    this.#directories.forget();
  }

  #whiteout(path: string, directory: string, name: string, header: TarHeader): void {
    if (name === OPAQUE) {
      const parent = this.#directories.descriptor(directory);
      lsetxattr(`/proc/self/fd/${parent}/.`, OPAQUE_XATTR, "y");
      return;
    }
    if (path.startsWith(AUFS_META)) return;
    const hidden = entryName(name.slice(WHITEOUT.length));
    if (hidden.length === 1 || name === ".wh.." || name === ".wh...") {
      throw badArchive(`whiteout ${shown(header.name)} hides nothing`);
    }
    try {
      const hiddenPath = directory === "" ? latin1(hidden) : `${directory}/${latin1(hidden)}`;
      this.#anew(hiddenPath, directory, hidden, (parent) => {
        makeNode(parent, hidden, FileType.CHARACTER, 0n);
        setOwner(parent, hidden, header.uid, header.gid);
      });
    } catch (error) {
      // What is hidden is below a file: it is hidden already.
      if (!isErrno(error, "ENOTDIR")) throw error;
    }
  }
}

/** Longer paths are remembered by a digest: an archive may have millions of them. */
const LONG_PATH = 128;

/** What a cleaned path is remembered as; no such path begins with a slash. */
function remembered(path: string): string {
  if (path.length <= LONG_PATH) return path;
  return `/${createHash("sha256").update(path, "latin1").digest("base64")}`;
}

function setXattrs(parent: number, entry: EntryName, header: TarHeader): void {
  if (header.xattrs.size === 0) return;
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${parent}/`), entry.subarray(0, -1)]);
  for (const [name, value] of header.xattrs) {
    try {
      lsetxattr(path, name, Buffer.from(value, "latin1"));
    } catch (error) {
      // Attributes that this file system does not know are not worth an image.
      if (!isErrno(error, "ENOTSUP", "EOPNOTSUPP")) throw error;
    }
  }
}

function nodeOf(header: TarHeader): readonly [type: number, device: bigint] {
  switch (header.kind) {
    case "character":
      return [FileType.CHARACTER, deviceNumber(header.major, header.minor)];
    case "block":
      return [FileType.BLOCK, deviceNumber(header.major, header.minor)];
    default:
      return [FileType.FIFO, 0n];
  }
}

function timeOf(header: TarHeader): FileTime {
  return { seconds: header.mtime, nanoseconds: header.mtimeNanoseconds };
}

function latin1(name: EntryName): string {
  return Buffer.from(name.subarray(0, -1)).toString("latin1");
}

/** A full disk is the host's fault; anything else that the kernel refuses is the archive's. */
function explained(header: TarHeader, error: unknown): unknown {
  if (!(error instanceof Errno) || isErrno(error, "ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE")) {
    return error;
  }
  return badArchive(`entry ${shown(header.name)}: ${error.message}`);
}
