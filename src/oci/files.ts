import { existsSync, unlinkSync } from "node:fs";
import { rm } from "node:fs/promises";

/** Removes files; those that are not there are no error. */
export async function removeIfThere(...files: readonly string[]): Promise<void> {
  await Promise.all(files.map((file) => rm(file, { force: true })));
}

/** The same without waiting, for files in memory: somebody waits for what comes after it. */
export function removeNow(...files: readonly string[]): void {
  for (const file of files) if (existsSync(file)) unlinkSync(file);
}
