import { dirname } from "@std/path";
import { log } from "../observe/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import { type LockMode, lstatIfThere } from "../linux/mod.ts";
import { type Durability, type JsonRecord, readRecords, writeRecords } from "./json_file.ts";
import type { HeldLock, LockFile } from "./lock_file.ts";
import { isFull, type Reserve } from "./reserve.ts";

/** One of the JSON files that a table is made of. */
export interface RecordFile {
  readonly path: string;
  /** `read-only` files are another store's: they are never written, and may be missing or broken. */
  readonly durability: Durability | "read-only";
}

/** What a change does to a table: what only takes away may use the room that is set aside for it. */
type Change = "grows" | "shrinks";

interface Entry {
  readonly record: JsonRecord;
  readonly file: RecordFile;
}

/**
 * The records of one kind (images, layers, containers, mount points) with the lock that protects
 * them. They are kept in memory and read again only when someone else has changed them.
 *
 * A record stays in the file that it was read from: whether a container is volatile is told by
 * nothing else.
 */
export class RecordTable {
  readonly #lock: LockFile;
  readonly #files: readonly RecordFile[];
  readonly #reserve: Reserve | undefined;
  #entries = new Map<string, Entry>();
  #seen: string | undefined;
  #generation = 0;
  readonly #derived = new Map<unknown, { readonly generation: number; readonly value: unknown }>();

  /**
   * @param files New records go to the one of the durability that is asked for.
   * @param reserve On the same disk.
   */
  constructor(lock: LockFile, files: readonly RecordFile[], reserve?: Reserve) {
    this.#lock = lock;
    this.#files = files;
    this.#reserve = reserve;
  }

  /** The directory of the files. */
  get directory(): string {
    return dirname(this.#files[0]!.path);
  }

  /** Takes the lock and brings the records up to date. */
  async open(mode: LockMode): Promise<OpenTable> {
    const lock = await this.#lock.acquire(mode);
    try {
      this.#refresh(lock);
      return new OpenTable(this, lock);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries;
  }

  /** A value computed from the records, kept until they change. */
  derive<T>(compute: (records: Iterable<JsonRecord>) => T): T {
    const known = this.#derived.get(compute);
    if (known?.generation === this.#generation) return known.value as T;
    const value = compute(this.#entries.values().map((entry) => entry.record));
    this.#derived.set(compute, { generation: this.#generation, value });
    return value;
  }

  put(record: JsonRecord, durability: Durability): RecordFile {
    const file = this.#entries.get(record.id)?.file ??
      this.#files.find((file) => file.durability === durability);
    if (file === undefined) throw new Error(`no ${durability} file for records`);
    this.#entries.set(record.id, { record, file });
    return file;
  }

  delete(id: string): RecordFile | undefined {
    const file = this.#entries.get(id)?.file;
    this.#entries.delete(id);
    return file;
  }

  /** Forgets what was read: memory and disk may differ. */
  invalidate(): void {
    this.#seen = undefined;
  }

  /** Writes the files that have changed; the lock's stamp first, so that a crash costs a reload. */
  async save(lock: HeldLock, changed: ReadonlySet<RecordFile>, change: Change): Promise<void> {
    this.#seen = undefined;
    const stamp = lock.touch();
    for (const file of changed) {
      const records: JsonRecord[] = [];
      for (const entry of this.#entries.values()) {
        if (entry.file === file) records.push(entry.record);
      }
      if (file.durability === "read-only") throw new Error(`${file.path} is not ours to write`);
      await this.#write(file.path, records, file.durability, change);
    }
    this.#generation++;
    this.#seen = this.#state(stamp);
  }

  async #write(
    path: string,
    records: readonly JsonRecord[],
    durability: Durability,
    change: Change,
  ): Promise<void> {
    const reserve = change === "shrinks" ? this.#reserve : undefined;
    try {
      await writeRecords(path, records, durability);
    } catch (error) {
      if (!isFull(error) || !reserve?.release()) throw error;
      await writeRecords(path, records, durability);
    }
    reserve?.fill();
  }

  #refresh(lock: HeldLock): void {
    const state = this.#state(lock.stamp());
    if (state === this.#seen) return;
    const entries = new Map<string, Entry>();
    for (const file of this.#files) {
      for (const record of readTolerantly(file)) {
        if (!entries.has(record.id)) entries.set(record.id, { record, file });
      }
    }
    this.#entries = entries;
    this.#generation++;
    this.#seen = state;
  }

  /** Everything that tells a changed table: the lock's bytes, and the files for tools that forget those. */
  #state(stamp: string): string {
    let state = stamp;
    for (const { path } of this.#files) {
      const stat = lstatIfThere(path);
      state += stat === undefined ? "|" : `|${stat.inode}.${stat.size}.${stat.modified}`;
    }
    return state;
  }
}

/**
 * A volatile file may be torn after a crash of the host; nothing in it is worth an error, and what is
 * wrong with an additional store must not take this one away.
 */
function readTolerantly(file: RecordFile): JsonRecord[] {
  try {
    return readRecords(file.path);
  } catch (error) {
    if (file.durability === "durable") throw error;
    const what = file.durability === "volatile"
      ? "Dropping volatile storage records"
      : "Additional image store cannot be read";
    log.warn(what, { error: errorMessage(error) });
    return [];
  }
}

/** A table while its lock is held. Changes are on the disk after {@linkcode OpenTable.save}. */
export class OpenTable implements Disposable {
  readonly #table: RecordTable;
  readonly #lock: HeldLock;
  readonly #changed = new Set<RecordFile>();
  #change: Change = "shrinks";

  constructor(table: RecordTable, lock: HeldLock) {
    this.#table = table;
    this.#lock = lock;
  }

  /** The directory of the table's files. */
  get directory(): string {
    return this.#table.directory;
  }

  get(id: string): JsonRecord | undefined {
    return this.#table.entries.get(id)?.record;
  }

  *records(): Iterable<JsonRecord> {
    for (const entry of this.#table.entries.values()) yield entry.record;
  }

  /** @see {@linkcode RecordTable.derive} */
  derive<T>(compute: (records: Iterable<JsonRecord>) => T): T {
    return this.#table.derive(compute);
  }

  /** Whether a record is in a file that need not survive a crash of the host. */
  isVolatile(id: string): boolean {
    return this.#table.entries.get(id)?.file.durability === "volatile";
  }

  /** Adds or replaces a record; a replaced one stays in its file. */
  put(record: JsonRecord, durability: Durability = "durable"): void {
    this.#change = "grows";
    this.#changed.add(this.#table.put(record, durability));
  }

  delete(id: string): void {
    const file = this.#table.delete(id);
    if (file !== undefined) this.#changed.add(file);
  }

  /** Writes what has changed. Needs the write lock. */
  async save(): Promise<void> {
    if (this.#changed.size === 0) return;
    const [changed, change] = [new Set(this.#changed), this.#change];
    // Also when it fails: what takes the change back then only shrinks.
    this.#changed.clear();
    this.#change = "shrinks";
    await this.#table.save(this.#lock, changed, change);
  }

  /** Unlocks. Changes that were not saved are forgotten. */
  [Symbol.dispose](): void {
    if (this.#changed.size > 0) this.#table.invalidate();
    this.#lock[Symbol.dispose]();
  }
}
