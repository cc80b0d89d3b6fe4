import { constants } from "node:fs";
import { open, readlink } from "node:fs/promises";
import { basename, dirname, join } from "@std/path";
import { abortable, CridError, deadline } from "../failure/mod.ts";
import { lstatIfThere } from "../linux/mod.ts";
import { removeIfThere } from "./files.ts";

/** Far longer than a monitor needs to open a file. */
const REOPEN_MS = 10_000;

/**
 * Has the monitor open its log anew, after the old one was renamed. The new file is there when this
 * returns.
 *
 * @throws {CridError} `failed_precondition` when the monitor is gone, `deadline_exceeded` when it
 * does nothing.
 */
export async function reopenLog(
  bundle: string,
  logPath: string,
  signal?: AbortSignal,
): Promise<void> {
  const before = inode(logPath);
  using limit = deadline(`reopen log ${logPath}`, REOPEN_MS, signal);
  // Watch before asking: the file may be there at once.
  using watcher = Deno.watchFs(dirname(logPath), { recursive: false });
  await command(bundle, "2 0 0\n");
  const isNew = () => ![undefined, before].includes(inode(logPath));
  const wait = async () => {
    if (isNew()) return;
    for await (const event of watcher) {
      // Nobody has renamed it: conmon replaces it all the same, ours keeps it and lets us know.
      const kept = before !== undefined && event.kind !== "access" &&
        event.paths.some((path) => basename(path) === basename(logPath));
      if (kept || isNew()) return;
    }
  };
  await abortable(wait(), limit.signal);
}

/** Sets the size of a container's terminal, in characters. */
export async function resizeTerminal(
  bundle: string,
  size: { readonly width: number; readonly height: number },
): Promise<void> {
  if (size.width < 1 || size.height < 1) return; // clients send 0x0 when they do not know
  await command(bundle, `1 ${size.height} ${size.width}\n`);
}

/** Removes what monitors leave in the shared directories: the exit file, and older ones their link. */
export async function forgetMonitor(
  directories: { readonly exitsDir: string; readonly attachDir: string },
  id: string,
): Promise<void> {
  const link = join(directories.attachDir, id);
  const isLink = await readlink(link).then(() => true, () => false);
  await removeIfThere(join(directories.exitsDir, id), ...(isLink ? [link] : []));
}

/** Writes a line to the monitor's control fifo. Without a reader an ordinary open would wait for ever. */
async function command(bundle: string, line: string): Promise<void> {
  let fifo;
  try {
    fifo = await open(join(bundle, "ctl"), constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const code = (cause as { code?: string }).code;
    if (code !== "ENXIO" && code !== "ENOENT") throw cause;
    throw new CridError("failed_precondition", `the monitor of ${bundle} is gone`, { cause });
  }
  try {
    await fifo.write(line);
  } finally {
    await fifo.close();
  }
}

function inode(path: string): bigint | undefined {
  return lstatIfThere(path)?.inode;
}
