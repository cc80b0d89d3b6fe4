import { lstat, readFile, stat } from "node:fs/promises";
import { join } from "@std/path";
import type { ExitRecord } from "./types.ts";

/**
 * Reads what a monitor has recorded of a container's end; `undefined` while there is nothing: it
 * still runs, or the monitor was killed.
 */
export async function readExit(
  persistDir: string,
  bundle: string,
): Promise<ExitRecord | undefined> {
  const file = join(persistDir, "exit");
  try {
    const [text, { ctimeNs }] = await Promise.all([
      readFile(file, "utf8"),
      stat(file, { bigint: true }),
    ]);
    return {
      code: parseExitCode(text),
      finishedAt: ctimeNs,
      // conmon writes it into its working directory, newer ones into the persistent one as well.
      oomKilled: await isThere(join(bundle, "oom")) || await isThere(join(persistDir, "oom")),
      error: "",
    };
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw error;
  }
}

/** A decimal status; anything else counts as unknown. */
export function parseExitCode(text: string): number {
  const code = Number(text.trim() || "-1");
  return Number.isInteger(code) && code >= 0 && code <= 255 ? code : -1;
}

async function isThere(file: string): Promise<boolean> {
  return await lstat(file).then(() => true, () => false);
}
