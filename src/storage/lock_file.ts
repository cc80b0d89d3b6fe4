import { randomFillSync } from "node:crypto";
import { Buffer } from "node:buffer";
import process from "node:process";
import { isErrno, type LockMode, OfdLock } from "../linux/mod.ts";
import { ReadWriteQueue } from "./read_write_queue.ts";

/** What a lock file holds: containers/storage compares nothing beyond. */
const STAMP_SIZE = 64;

/** Counts the changes of this process, one part of what makes a stamp unique. */
let changes = 0n;

/**
 * A lock file of containers/storage: a record lock on it orders everyone who reads or changes the
 * JSON files beside it, and its first 64 bytes differ after each change.
 */
export class LockFile {
  readonly path: string;
  readonly #access: "read-write" | "read-only";
  readonly #queue = new ReadWriteQueue();

  /** @param access The lock of a `read-only` store may be missing, and then nobody changes it. */
  constructor(path: string, access: "read-write" | "read-only" = "read-write") {
    this.path = path;
    this.#access = access;
  }

  /** Waits for the lock; first among the tasks of this isolate, then among processes. */
  async acquire(mode: LockMode): Promise<HeldLock> {
    const turn = await this.#queue.enter(mode);
    try {
      // Opened anew each time: someone may have removed the file together with the store.
      return new HeldLock(await this.#lock(mode), turn);
    } catch (error) {
      turn[Symbol.dispose]();
      throw error;
    }
  }

  async #lock(mode: LockMode): Promise<OfdLock | undefined> {
    try {
      return await OfdLock.acquire(this.path, mode);
    } catch (error) {
      const missing = isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EROFS");
      if (this.#access === "read-only" && missing) return undefined;
      throw error;
    }
  }
}

/** The lock, until it is disposed. */
export class HeldLock implements Disposable {
  readonly #lock: OfdLock | undefined;
  readonly #turn: Disposable;

  /** @param lock `undefined` for a read-only store that has none. */
  constructor(lock: OfdLock | undefined, turn: Disposable) {
    this.#lock = lock;
    this.#turn = turn;
  }

  /** The bytes that change with each change, as text to compare; `""` when nobody ever wrote. */
  stamp(): string {
    if (this.#lock === undefined) return "";
    const bytes = Buffer.alloc(STAMP_SIZE);
    const size = this.#lock.fd.pread(bytes, 0);
    return bytes.toString("latin1", 0, size);
  }

  /** Tells everyone that what the lock protects is about to change; returns the new stamp. */
  touch(): string {
    const bytes = Buffer.alloc(STAMP_SIZE);
    bytes.writeBigUInt64LE(BigInt(Date.now()) * 1_000_000n, 0);
    bytes.writeBigUInt64LE(++changes, 8);
    bytes.writeUInt32LE(process.pid, 16);
    randomFillSync(bytes, 20);
    if (this.#lock === undefined) throw new Error("the store is read-only");
    this.#lock.fd.pwrite(bytes, 0);
    return bytes.toString("latin1");
  }

  [Symbol.dispose](): void {
    this.#lock?.[Symbol.dispose]();
    this.#turn[Symbol.dispose]();
  }
}
