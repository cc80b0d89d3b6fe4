import { readFile } from "node:fs/promises";
import { join } from "@std/path";
import { lstatIfThere } from "../linux/mod.ts";
import type { ExitRecord } from "./types.ts";

/**
 * Reads what a monitor has recorded of a container's end; `undefined` while there is nothing: it
 * still runs, or the monitor was killed.
 *
 * @param announcement The exit file. It has the code as well, for when the record's disk is full.
 */
export async function readExit(
  persistDir: string,
  bundle: string,
  announcement?: string,
): Promise<ExitRecord | undefined> {
  const record = join(persistDir, "exit");
  const other = announcement !== undefined && isWritten(announcement) ? announcement : record;
  const file = isWritten(record) ? record : other;
  const found = lstatIfThere(file);
  if (found === undefined) return undefined;
  return {
    code: parseExitCode(await readFile(file, "utf8")),
    // Written once and renamed. Deno's own stat tells whole seconds only.
    finishedAt: BigInt(Math.round(found.modified * 1e6)) * 1000n,
    // conmon writes it into its working directory, newer ones into the persistent one as well.
    oomKilled: [bundle, persistDir].some((place) => lstatIfThere(join(place, "oom")) !== undefined),
    error: "",
  };
}

function isWritten(path: string): boolean {
  return (lstatIfThere(path)?.size ?? 0) > 0;
}

/** A decimal status; anything else counts as unknown. */
export function parseExitCode(text: string): number {
  const code = Number(text.trim() || "-1");
  return Number.isInteger(code) && code >= 0 && code <= 255 ? code : -1;
}
