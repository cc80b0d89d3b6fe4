import { rm } from "node:fs/promises";

/** Removes files; those that are not there are no error. */
export async function removeIfThere(...files: readonly string[]): Promise<void> {
  await Promise.all(files.map((file) => rm(file, { force: true })));
}
