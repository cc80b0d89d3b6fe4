import { CridError } from "../failure/mod.ts";

const FULL_ID_LENGTH = 64;

/** Things of one kind by id, found by any unique prefix of it. */
export class IdIndex<T extends { readonly id: string }> {
  readonly #kind: string;
  readonly #items = new Map<string, T>();

  /** @param kind For messages: `"container"`. */
  constructor(kind: string) {
    this.#kind = kind;
  }

  add(item: T): void {
    this.#items.set(item.id, item);
  }

  delete(id: string): void {
    this.#items.delete(id);
  }

  has(id: string): boolean {
    return this.#items.has(id);
  }

  values(): IterableIterator<T> {
    return this.#items.values();
  }

  /** The one thing whose id is or begins with `idOrPrefix`; `undefined` when none or several do. */
  find(idOrPrefix: string): T | undefined {
    const exact = this.#items.get(idOrPrefix);
    if (exact !== undefined || idOrPrefix.length >= FULL_ID_LENGTH || idOrPrefix === "") {
      return exact;
    }
    let found: T | undefined;
    for (const item of this.#items.values()) {
      if (!item.id.startsWith(idOrPrefix)) continue;
      if (found !== undefined) return undefined;
      found = item;
    }
    return found;
  }

  /** @throws {CridError} `not_found`. */
  get(idOrPrefix: string): T {
    const item = this.find(idOrPrefix);
    if (item !== undefined) return item;
    throw new CridError(
      "not_found",
      `could not find ${this.#kind} "${idOrPrefix}": no id begins so, or several do`,
    );
  }
}
