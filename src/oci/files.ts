import { rename, rm, writeFile } from "node:fs/promises";

/** Removes files; those that are not there are no error. */
export async function removeIfThere(...files: readonly string[]): Promise<void> {
  await Promise.all(files.map((file) => rm(file, { force: true })));
}

/** Writes a file so that a reader sees all of it or nothing. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${crypto.randomUUID()}`;
  try {
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, file);
  } catch (error) {
    await removeIfThere(temporary);
    throw error;
  }
}
