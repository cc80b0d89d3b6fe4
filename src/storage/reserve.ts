import * as fs from "node:fs";

/**
 * Room that is set aside on a disk, so that taking something away can be written down even when the
 * disk is full: files are replaced as a whole, and the new one has to lie beside the old one.
 */
export class Reserve {
  readonly #path: string;
  readonly #size: number;

  /**
   * @param path A file on that disk, nobody else's.
   * @param size Bytes: about what the largest of the files takes.
   */
  constructor(path: string, size: number) {
    this.#path = path;
    this.#size = size;
  }

  /** Sets the room aside if it is not. A disk that is full has none; later it may. */
  fill(): void {
    if (fs.statSync(this.#path, { throwIfNoEntry: false })?.size === this.#size) return;
    try {
      fs.writeFileSync(this.#path, new Uint8Array(this.#size), { mode: 0o600 });
    } catch (error) {
      fs.rmSync(this.#path, { force: true });
      if (!isFull(error)) throw error;
    }
  }

  /** Gives the room to whoever writes next. @returns Whether there was any. */
  release(): boolean {
    if (!fs.existsSync(this.#path)) return false;
    fs.rmSync(this.#path, { force: true });
    return true;
  }
}

/** Whether a write has failed because the disk, or somebody's share of it, is full. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    (error.code === "ENOSPC" || error.code === "EDQUOT");
}
