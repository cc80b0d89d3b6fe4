import { lstatSync, readdirSync } from "node:fs";
import { setImmediate as yieldToOthers, setTimeout as pause } from "node:timers/promises";
import { now } from "../observe/mod.ts";
import type { FsStats } from "./types.ts";

/** How long a count is good for at least; the kubelet asks every 10 s. */
const FRESH_MS = 10_000;
/** A count is good for so many times as long as it took: counting then costs at most 5 % of a CPU. */
const FRESH_PER_COST = 20;
/** A walk lets the rest of crid go on this often. */
const SLICE_MS = 4;
/** How long a caller waits for a walk; it gets the last count then, or none. */
const PATIENCE_MS = 500;
/** A tree with more files is not counted further: the figure is then too small. */
const MAX_INODES = 5_000_000;
const FORGET_AFTER_MS = 600_000;
const SWEEP_ABOVE = 256;

interface Count {
  readonly stats: FsStats;
  readonly at: number;
  readonly freshUntil: number;
}

/** What directory trees take up on disk. Walks are expensive: they are cached, shared and sliced. */
export class DiskUsage {
  readonly #counts = new Map<string, Count>();
  readonly #walks = new Map<string, Promise<Count | undefined>>();

  /** Bytes and inodes below a directory; `undefined` when it is gone, or its first count takes long. */
  async of(directory: string): Promise<FsStats | undefined> {
    const known = this.#counts.get(directory);
    if (known !== undefined && performance.now() < known.freshUntil) return known.stats;
    const enough = new AbortController();
    const patience = pause(PATIENCE_MS, known, { signal: enough.signal }).catch(() => known);
    try {
      return (await Promise.race([this.#walk(directory), patience]))?.stats;
    } finally {
      enough.abort();
    }
  }

  #walk(directory: string): Promise<Count | undefined> {
    const running = this.#walks.get(directory);
    if (running !== undefined) return running;
    const walk = this.#count(directory).finally(() => this.#walks.delete(directory));
    this.#walks.set(directory, walk);
    return walk;
  }

  async #count(directory: string): Promise<Count | undefined> {
    const began = performance.now();
    const counted = await countTree(directory);
    if (counted === undefined) {
      this.#counts.delete(directory);
      return undefined;
    }
    const at = performance.now();
    const count = {
      stats: { timestamp: now(), mountpoint: directory, ...counted },
      at,
      freshUntil: at + Math.max(FRESH_MS, FRESH_PER_COST * (at - began)),
    };
    this.#sweep(at);
    this.#counts.set(directory, count);
    return count;
  }

  #sweep(now: number): void {
    if (this.#counts.size < SWEEP_ABOVE) return;
    for (const [directory, { at }] of this.#counts) {
      if (now - at > FORGET_AFTER_MS) this.#counts.delete(directory);
    }
  }
}

/**
 * Walks a tree as du(1) does: blocks in use, hard links once, not into other file systems. Files that
 * vanish meanwhile are left out.
 */
async function countTree(
  root: string,
): Promise<Pick<FsStats, "usedBytes" | "inodesUsed"> | undefined> {
  const top = lstatSync(root, { throwIfNoEntry: false });
  if (top === undefined) return undefined;
  const linked = new Set<number>();
  let usedBytes = top.blocks * 512;
  let inodesUsed = 1;
  let sliceEnds = performance.now() + SLICE_MS;
  const directories = [root];
  for (let at = directories.pop(); at !== undefined; at = directories.pop()) {
    for (const name of entriesOf(at)) {
      if (performance.now() > sliceEnds) {
        await yieldToOthers();
        sliceEnds = performance.now() + SLICE_MS;
      }
      const path = `${at}/${name}`;
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined || stat.dev !== top.dev) continue;
      if (stat.isDirectory()) directories.push(path);
      else if (stat.nlink > 1) {
        if (linked.has(stat.ino)) continue;
        linked.add(stat.ino);
      }
      usedBytes += stat.blocks * 512;
      inodesUsed++;
    }
    if (inodesUsed > MAX_INODES) break;
  }
  return { usedBytes, inodesUsed };
}

function entriesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    // Removed since it was listed.
    return [];
  }
}
