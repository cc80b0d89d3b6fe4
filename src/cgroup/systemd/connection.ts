import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { CridError, deadline } from "../../failure/mod.ts";
import { type Call, decodeMessage, encodeCall, type Message, MessageType } from "./message.ts";
import type { DbusValue } from "./wire.ts";

/** systemd answers at once, unless the whole machine hangs. */
const CALL_MS = 90_000;
const CONNECT_MS = 10_000;

/** How long the other side may be silent. */
export interface DbusPatience {
  /** Milliseconds for one call; default 90 s. */
  readonly callMs?: number;
}

/** A method that was refused. */
export class DbusError extends Error {
  override readonly name = "DbusError";
  /** `org.freedesktop.systemd1.NoSuchUnit` */
  readonly error: string;

  constructor(error: string, message: string) {
    super(message === "" ? error : message);
    this.error = error;
  }
}

interface Pending {
  resolve(values: readonly DbusValue[]): void;
  reject(error: unknown): void;
}

/** A D-Bus connection over a unix socket, as the user that this process runs as. */
export class DbusConnection implements Disposable {
  readonly #socket: Socket;
  readonly #onSignal: (message: Message) => void;
  readonly #callMs: number;
  readonly #pending = new Map<number, Pending>();
  readonly #closed = new AbortController();
  #received: Uint8Array = new Uint8Array();
  #serial = 0;

  private constructor(
    socket: Socket,
    rest: Uint8Array,
    onSignal: (message: Message) => void,
    { callMs = CALL_MS }: DbusPatience,
  ) {
    this.#socket = socket;
    this.#onSignal = onSignal;
    this.#callMs = callMs;
    socket.on("data", (bytes: Uint8Array) => this.#receive(bytes));
    socket.on("error", (error: Error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
    // It must not keep alive what has nothing else to do.
    socket.unref();
    if (rest.length > 0) this.#receive(rest);
  }

  /**
   * Connects and says who we are.
   *
   * @param onSignal Called with every signal that comes in.
   * @throws {CridError} `unavailable` when nobody is there, or refuses us.
   */
  static async open(
    path: string,
    onSignal: (message: Message) => void,
    patience: DbusPatience = {},
  ): Promise<DbusConnection> {
    using limit = deadline(`connect to D-Bus at ${path}`, CONNECT_MS);
    const socket = connect(path);
    try {
      const rest = await authenticate(socket, limit.signal);
      return new DbusConnection(socket, rest, onSignal, patience);
    } catch (cause) {
      socket.destroy();
      if (limit.signal.aborted) throw limit.signal.reason;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CridError("unavailable", `connect to D-Bus at ${path}: ${why}`, { cause });
    }
  }

  /** Aborts when the connection is of no use any more. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /**
   * Calls a method.
   *
   * @throws {DbusError} When the other side refuses.
   * @throws {CridError} `unavailable` when the connection is lost, `deadline_exceeded`.
   */
  async call(call: Call): Promise<readonly DbusValue[]> {
    if (this.#closed.signal.aborted) throw this.#closed.signal.reason;
    const serial = this.#serial = this.#serial % 0xffff_ffff + 1;
    using limit = deadline(`D-Bus call of ${call.member}`, this.#callMs);
    const { promise, resolve, reject } = Promise.withResolvers<readonly DbusValue[]>();
    this.#pending.set(serial, { resolve, reject });
    limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
    // While somebody waits for an answer, the process does too.
    this.#socket.ref();
    this.#socket.write(encodeCall(call, serial));
    try {
      return await promise;
    } finally {
      this.#pending.delete(serial);
      if (this.#pending.size === 0) this.#socket.unref();
    }
  }

  [Symbol.dispose](): void {
    this.#fail(new Error("closed by us"));
  }

  #receive(bytes: Uint8Array): void {
    this.#received = this.#received.length === 0
      ? bytes
      : new Uint8Array(Buffer.concat([this.#received, bytes]));
    try {
      for (;;) {
        const decoded = decodeMessage(this.#received);
        if (decoded === undefined) return;
        this.#received = this.#received.slice(decoded.length);
        this.#dispatch(decoded.message);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #dispatch(message: Message): void {
    if (message.type === MessageType.signal) return this.#onSignal(message);
    const pending = this.#pending.get(message.replySerial ?? 0);
    if (message.type === MessageType.reply) pending?.resolve(message.values);
    if (message.type === MessageType.error) {
      const [text] = message.values;
      pending?.reject(new DbusError(message.error, typeof text === "string" ? text : ""));
    }
  }

  #fail(cause: unknown): void {
    if (this.#closed.signal.aborted) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    const error = new CridError("unavailable", `D-Bus: ${why}`, { cause });
    this.#closed.abort(error);
    this.#socket.destroy();
    for (const { reject } of this.#pending.values()) reject(error);
  }
}

/**
 * The kernel tells the other side who connects; both only agree on that. D-Bus specification,
 * "Authentication Protocol".
 *
 * BEGIN does not wait for the agreement: a call that reaches systemd together with BEGIN lies there
 * until the next one comes.
 *
 * @returns Bytes that came after the agreement.
 */
async function authenticate(socket: Socket, signal: AbortSignal): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  let received = Buffer.alloc(0);
  const onData = (bytes: Uint8Array) => {
    received = Buffer.concat([received, bytes]);
    const end = received.indexOf("\r\n");
    if (end < 0) return;
    const answer = received.toString("latin1", 0, end);
    if (!answer.startsWith("OK ")) return reject(new Error(`authentication: ${answer}`));
    resolve(new Uint8Array(received.subarray(end + 2)));
  };
  const onClose = () => reject(new Error("closed before the authentication"));
  const onAbort = () => reject(signal.reason);
  socket.on("data", onData).on("error", reject).on("close", onClose);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const user = Buffer.from(String(Deno.uid())).toString("hex");
    socket.write(`\0AUTH EXTERNAL ${user}\r\nBEGIN\r\n`);
    return await promise;
  } finally {
    socket.off("data", onData).off("error", reject).off("close", onClose);
    signal.removeEventListener("abort", onAbort);
  }
}
