import { randomBytes } from "node:crypto";
import { CridError } from "../failure/mod.ts";

/** Offers that nobody has taken up; more of them are no use to anyone. */
const MAX_OFFERS = 1000;
/** 128 bits. */
const TOKEN_BYTES = 16;

/** Things that can be taken once, by an unguessable name and within a time. */
export class Tokens<T> implements Disposable {
  readonly #offers = new Map<
    string,
    { readonly value: T; readonly timer: ReturnType<typeof setTimeout> }
  >();
  readonly #lifeMs: number;

  constructor(lifeMs: number) {
    this.#lifeMs = lifeMs;
  }

  /** @throws {CridError} `resource_exhausted`. */
  offer(value: T): string {
    if (this.#offers.size >= MAX_OFFERS) {
      throw new CridError(
        "resource_exhausted",
        `maximum number of in-flight requests exceeded: ${MAX_OFFERS} streams wait for a client`,
      );
    }
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const timer = setTimeout(() => this.#offers.delete(token), this.#lifeMs);
    this.#offers.set(token, { value, timer });
    return token;
  }

  /** What was offered under that name; `undefined` when it was taken, is too old, or never was. */
  take(token: string): T | undefined {
    const offer = this.#offers.get(token);
    if (offer === undefined) return undefined;
    clearTimeout(offer.timer);
    this.#offers.delete(token);
    return offer.value;
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#offers.values()) clearTimeout(timer);
    this.#offers.clear();
  }
}
