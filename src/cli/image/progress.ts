import type { PullProgress } from "../../image/mod.ts";
import { formatBytes, shortId } from "./format.ts";

const BAR = 28;
/** How often bars are drawn anew: often enough for eyes. */
const DRAW_MS = 100;
const encoder = new TextEncoder();

/** Shows how the blobs of an image get on: bars on a terminal, a line for each otherwise. */
export class ProgressView implements Disposable {
  readonly #blobs = new Map<string, PullProgress>();
  readonly #form: "bars" | "lines" | "none";
  readonly #verb: string;
  #drawn = 0;
  #lastDraw = 0;

  /** @param verb What is done to a blob: `Pulling`. */
  constructor(verb: string, form: "shown" | "quiet") {
    this.#verb = verb;
    this.#form = form === "quiet" ? "none" : Deno.stderr.isTerminal() ? "bars" : "lines";
  }

  /** A line above the bars. */
  title(text: string): void {
    if (this.#form !== "none") write(text + "\n");
  }

  readonly update = (progress: PullProgress): void => {
    const known = this.#blobs.get(progress.digest);
    // One layer may be in an image twice.
    if (known?.state === "done" || known?.state === "present") return;
    this.#blobs.set(progress.digest, progress);
    if (this.#form === "lines" && known?.state !== progress.state) this.#line(progress);
    if (this.#form === "bars") this.#draw(known?.state === progress.state ? "soon" : "now");
  };

  [Symbol.dispose](): void {
    if (this.#form === "bars") this.#draw("now");
    this.#blobs.clear();
    this.#drawn = 0;
  }

  #line({ digest, size, state }: PullProgress): void {
    const what = `layer ${shortId(digest)}`;
    if (state === "moving") {
      write(`${this.#verb} ${what}${size === undefined ? "" : ` (${formatBytes(size)})`}\n`);
    } else if (state === "done") write(`${this.#verb} ${what}: done\n`);
    else if (state === "present") write(`${this.#verb} ${what}: already there\n`);
  }

  #draw(when: "now" | "soon"): void {
    const now = performance.now();
    if (when === "soon" && now - this.#lastDraw < DRAW_MS) return;
    this.#lastDraw = now;
    // Up to the first bar, and over each with its new state.
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : "";
    const { columns, rows } = screen();
    // A line that wraps, or has left the screen, would not be found again.
    const bars = this.#shown(rows - 1).map((blob) => bar(blob).slice(0, columns - 1));
    write(up + bars.map((text) => `\r\x1b[K${text}\n`).join(""));
    this.#drawn = bars.length;
  }

  /** As many blobs as there is room for, first those that are not done. */
  #shown(room: number): readonly PullProgress[] {
    const blobs = [...this.#blobs.values()];
    if (blobs.length <= room) return blobs;
    const isOver = ({ state }: PullProgress) => state === "done" || state === "present";
    return [...blobs.filter((blob) => !isOver(blob)), ...blobs.filter(isOver)].slice(0, room);
  }
}

/** The terminal's size; the usual one where it does not tell. */
function screen(): { readonly columns: number; readonly rows: number } {
  const usual = { columns: 80, rows: 24 };
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || usual.columns, rows: rows || usual.rows };
  } catch {
    return usual;
  }
}

function bar({ digest, bytes, size, state }: PullProgress): string {
  const id = shortId(digest);
  if (state === "present") return `${id}  already there`;
  if (state === "waiting") return `${id}  waiting`;
  const share = state === "done" ? 1 : size === undefined || size === 0 ? 0 : bytes / size;
  const filled = Math.min(BAR, Math.round(share * BAR));
  const drawing = "█".repeat(filled) + "░".repeat(BAR - filled);
  const amount = state === "done" || size === undefined
    ? formatBytes(state === "done" ? size ?? bytes : bytes)
    : `${formatBytes(bytes)} / ${formatBytes(size)}`;
  return `${id}  ${drawing}  ${amount}`;
}

function write(text: string): void {
  try {
    Deno.stderr.writeSync(encoder.encode(text));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
