import type { ContainerEvent } from "./types.ts";

/** Events a slow reader may lag behind before it loses the oldest. */
const BACKLOG = 1000;

/** One reader's queue. */
interface Reader {
  readonly pending: ContainerEvent[];
  wake: () => void;
}

/** Hands every event to every reader, each in the order of their making. */
export class EventHub {
  readonly #readers = new Set<Reader>();
  readonly #dropped: (count: number) => void;

  /** @param dropped Told how many events a reader has just lost. */
  constructor(dropped: (count: number) => void) {
    this.#dropped = dropped;
  }

  /** Whether anybody listens; an event need not be made when nobody does. */
  get listening(): boolean {
    return this.#readers.size > 0;
  }

  publish(event: ContainerEvent): void {
    for (const reader of this.#readers) {
      if (reader.pending.length >= BACKLOG) {
        reader.pending.shift();
        this.#dropped(1);
      }
      reader.pending.push(event);
      reader.wake();
    }
  }

  /** Events from now until `signal` aborts. */
  async *subscribe(signal: AbortSignal): AsyncIterableIterator<ContainerEvent> {
    const reader: Reader = { pending: [], wake: () => {} };
    const wake = () => reader.wake();
    signal.addEventListener("abort", wake, { once: true });
    this.#readers.add(reader);
    try {
      while (!signal.aborted) {
        const event = reader.pending.shift();
        if (event !== undefined) yield event;
        else await new Promise<void>((resolve) => reader.wake = resolve);
      }
    } finally {
      this.#readers.delete(reader);
      signal.removeEventListener("abort", wake);
    }
  }
}
