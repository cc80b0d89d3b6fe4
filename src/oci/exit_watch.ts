import { mkdir, readdir } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { join } from "@std/path";
import { errorMessage } from "../failure/mod.ts";
import { log, now } from "../observe/mod.ts";
import { readExit } from "./exit_record.ts";
import type { Exited, ExitPlaces } from "./types.ts";

/** What {@linkcode watchExits} is told by whom it serves. */
export interface ExitWatchOptions {
  /** `container_exits_dir`; made if it is missing. */
  readonly exitsDir: string;
  /** Where a container's records are; `undefined` for an id that is nobody's. */
  locate(id: string): ExitPlaces | undefined;
  /** Called once for each end, whatever the order; removes the exit file when it has taken note. */
  onExit(exited: Exited): void;
}

/** The record is written before the exit file that announces it; these waits are for odd monitors. */
const RECORD_WAITS_MS = [20, 100, 500, 1000, 1500, 2000];
/** What is reported when the monitor has announced an end and recorded none. */
const NO_RECORD_CODE = 255;

/**
 * Watches for containers' ends: one inotify watch for all of them. What is in the directory already
 * is reported, too.
 *
 * Deno drops events when many come at once, but never all of them: so what an event says does not
 * matter, after each the directory is read. What is dropped is followed by an event still unread.
 */
export async function watchExits(options: ExitWatchOptions): Promise<AsyncDisposable> {
  await mkdir(options.exitsDir, { recursive: true, mode: 0o755 });
  const watcher = Deno.watchFs(options.exitsDir, { recursive: false });
  const stopped = new AbortController();
  let announced = new Set<string>();

  const announce = async (id: string, places: ExitPlaces) => {
    try {
      const file = join(options.exitsDir, id);
      options.onExit(await exitOf(id, places, file, stopped.signal));
    } catch (error) {
      if (stopped.signal.aborted) return;
      log.error(`exit of container ${id}: ${errorMessage(error)}`, { id });
      // The next look finds it again.
      announced.delete(id);
    }
  };
  const scan = async () => {
    const names = await readdir(options.exitsDir);
    // An id can come again when a container of the same id is made again.
    announced = announced.intersection(new Set(names));
    for (const id of names) {
      const places = announced.has(id) ? undefined : options.locate(id);
      if (places === undefined) continue;
      announced.add(id);
      void announce(id, places);
    }
  };
  const look = async () => {
    try {
      await scan();
    } catch (error) {
      // Out of descriptors, say: what this look has missed, the next one finds.
      if (!stopped.signal.aborted) log.error(`read ${options.exitsDir}: ${errorMessage(error)}`);
    }
  };
  const follow = async () => {
    await look();
    for await (const _ of watcher) await look();
  };
  const followed = follow().catch((error) => {
    if (!stopped.signal.aborted) log.error(`watch ${options.exitsDir}: ${errorMessage(error)}`);
  });
  return {
    async [Symbol.asyncDispose]() {
      stopped.abort();
      watcher.close();
      await followed;
    },
  };
}

async function exitOf(
  id: string,
  places: ExitPlaces,
  announcement: string,
  signal: AbortSignal,
): Promise<Exited> {
  for (const wait of [0, ...RECORD_WAITS_MS]) {
    if (wait > 0) await pause(wait, undefined, { signal });
    const record = await readExit(places.persistDir, places.bundle, announcement);
    if (record === undefined) continue;
    const { code, finishedAt, oomKilled } = record;
    return { id, exitCode: code, finishedAt, oomKilled };
  }
  log.warn(`container ${id} has ended and its monitor has recorded no exit code`, { id });
  return {
    id,
    exitCode: NO_RECORD_CODE,
    finishedAt: now(),
    oomKilled: false,
  };
}
