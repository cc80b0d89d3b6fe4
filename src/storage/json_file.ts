import { randomBytes } from "node:crypto";
import { dirname } from "@std/path";
import * as fs from "node:fs";
import { CridError, errorMessage } from "../failure/mod.ts";

/** One object of a JSON file. Members that crid does not know stay in it. */
export type JsonRecord = { readonly id: string } & { readonly [member: string]: unknown };

/** Whether a file has to survive a crash of the host. */
export type Durability = "durable" | "volatile";

/**
 * Reads an array of records; a missing or empty file is an empty one.
 *
 * @throws {CridError} `internal` when the text is no such array.
 */
export function readRecords(path: string): JsonRecord[] {
  let text: string;
  try {
    text = fs.readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
  if (text.trim() === "") return [];
  try {
    const value: unknown = JSON.parse(text);
    if (value === null) return [];
    if (!Array.isArray(value)) throw new Error("it is no array");
    return value.map(asRecord);
  } catch (error) {
    throw new CridError(
      "internal",
      `read the store's records in ${path}: ${errorMessage(error)}; ` +
        "restore the file or wipe the store (crid wipe)",
      { cause: error },
    );
  }
}

function asRecord(value: unknown): JsonRecord {
  if (
    typeof value === "object" && value !== null && "id" in value && typeof value.id === "string"
  ) {
    return value as JsonRecord;
  }
  throw new Error("an entry has no id");
}

/** Replaces a JSON file as a whole, under a name that containers/storage uses and ignores. */
export async function writeRecords(
  path: string,
  records: readonly JsonRecord[],
  durability: Durability,
): Promise<void> {
  await replaceFile(path, JSON.stringify(records), durability);
}

/** Writes a file beside the old one and renames it, so that readers see either. Mode 0600. */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  durability: Durability,
): Promise<void> {
  const name = path.slice(dirname(path).length + 1);
  const temporary = `${dirname(path)}/.tmp-${name}${randomBytes(5).toString("hex")}`;
  const fd = fs.openSync(temporary, "wx", 0o600);
  try {
    try {
      fs.writeFileSync(fd, content);
      if (durability === "durable") await flush(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, path);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

/** fdatasync(2) takes as long as the disk does; not on the event loop. */
function flush(fd: number): Promise<void> {
  return new Promise((resolve, reject) =>
    fs.fdatasync(fd, (error) => error ? reject(error) : resolve())
  );
}
