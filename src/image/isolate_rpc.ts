import { CridError, type ErrorCode, errorMessage, wrapError } from "../failure/mod.ts";
import { type WatchedPort, watchPort } from "./watched_port.ts";

/**
 * Calls between isolates over one MessagePort: requests with an answer, requests without one, and
 * aborts. Payloads are whatever structured clone takes; ports in them are transferred.
 */
export interface RpcClient extends Disposable {
  /**
   * Calls `method` and waits for its answer. When `signal` aborts, the other side is told, and the wait
   * goes on until it has stopped, but not longer than {@linkcode ABORT_GRACE_MS}.
   *
   * @throws {CridError} What the other side threw; `unavailable` when it is gone.
   */
  call(method: string, payload: unknown, options?: RpcCallOptions): Promise<unknown>;
  /** Calls `method` and does not wait. */
  notify(method: string, payload: unknown): void;
}

export interface RpcCallOptions {
  readonly signal?: AbortSignal;
  readonly transfer?: Transferable[];
  /** Called with what the other side reports while it works. */
  readonly onReport?: ((value: unknown) => void) | undefined;
}

/** What an isolate offers: one function per method. */
export type RpcMethods = Readonly<
  Record<
    string,
    (payload: unknown, signal: AbortSignal, report: (value: unknown) => void) => unknown
  >
>;

/** How long an aborted call may take to come to its end. */
export const ABORT_GRACE_MS = 10_000;

type Message =
  | {
    readonly kind: "call";
    readonly id: number;
    readonly method: string;
    readonly payload: unknown;
  }
  | { readonly kind: "notify"; readonly method: string; readonly payload: unknown }
  | { readonly kind: "abort"; readonly id: number; readonly error: WireError }
  | { readonly kind: "report"; readonly id: number; readonly value: unknown }
  | { readonly kind: "result"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: WireError };

/** A {@linkcode CridError} as plain data. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Makes any thrown value fit for the way to another isolate. */
export function toWireError(error: unknown): WireError {
  if (error instanceof CridError) return { code: error.code, message: error.message };
  const code = error instanceof DOMException && error.name === "AbortError"
    ? "cancelled"
    : error instanceof DOMException && error.name === "TimeoutError"
    ? "deadline_exceeded"
    : "internal";
  return { code, message: errorMessage(error) };
}

/** The inverse of {@linkcode toWireError}. */
export function fromWireError(error: WireError): CridError {
  return new CridError(error.code, error.message);
}

interface PendingCall {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  readonly onReport: ((value: unknown) => void) | undefined;
}

/** Connects to {@linkcode serveRpc} at the other end of `port`; `peer` names it in errors. */
export async function connectRpc(port: MessagePort, peer: string): Promise<RpcClient> {
  const watched = await watchPort(port);
  const pending = new Map<number, PendingCall>();
  let lastId = 0;
  let gone: CridError | undefined;
  const lose = (why: string) => {
    gone ??= new CridError("unavailable", `${peer} ${why}; try again`);
    for (const call of pending.values()) call.reject(gone);
    pending.clear();
  };
  watched.onClose(() => lose("stopped unexpectedly"));
  watched.port.onmessage = ({ data }: MessageEvent<Message>) => {
    if (data.kind === "report") pending.get(data.id)?.onReport?.(data.value);
    if (data.kind !== "result" && data.kind !== "error") return;
    const call = pending.get(data.id);
    pending.delete(data.id);
    if (data.kind === "result") call?.resolve(data.value);
    else call?.reject(fromWireError(data.error));
  };
  const send = (message: Message, transfer: Transferable[] = []) =>
    watched.port.postMessage(message, transfer);

  return {
    async call(method, payload, { signal, transfer, onReport } = {}) {
      signal?.throwIfAborted();
      if (gone) throw gone;
      const id = ++lastId;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      pending.set(id, { resolve, reject, onReport });
      let grace: ReturnType<typeof setTimeout> | undefined;
      const onAbort = () => {
        if (gone) return;
        send({ kind: "abort", id, error: toWireError(signal?.reason) });
        grace = setTimeout(() => {
          pending.delete(id);
          reject(wrapError(`${peer} does not stop`, signal?.reason));
        }, ABORT_GRACE_MS);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      try {
        send({ kind: "call", id, method, payload }, transfer);
        return await promise;
      } finally {
        pending.delete(id);
        clearTimeout(grace);
        signal?.removeEventListener("abort", onAbort);
      }
    },
    notify(method, payload) {
      if (!gone) send({ kind: "notify", method, payload });
    },
    [Symbol.dispose]() {
      lose("was disconnected");
      watched[Symbol.dispose]();
    },
  };
}

/**
 * Answers calls that come over `port` until the other end is gone or the result is disposed; running
 * calls are aborted then.
 */
export async function serveRpc(port: MessagePort, methods: RpcMethods): Promise<Disposable> {
  const watched = await watchPort(port);
  const running = new Map<number, AbortController>();
  const stop = () => {
    for (const call of running.values()) {
      call.abort(new CridError("cancelled", "the caller is gone"));
    }
    running.clear();
  };
  watched.onClose(stop);
  watched.port.onmessage = ({ data }: MessageEvent<Message>) => {
    if (data.kind === "call") void answer(watched, methods, running, data);
    else if (data.kind === "abort") running.get(data.id)?.abort(fromWireError(data.error));
    else if (data.kind === "notify") void methods[data.method]?.(data.payload, NEVER, () => {});
  };
  return {
    [Symbol.dispose]() {
      stop();
      watched[Symbol.dispose]();
    },
  };
}

const NEVER = new AbortController().signal;

async function answer(
  { port }: WatchedPort,
  methods: RpcMethods,
  running: Map<number, AbortController>,
  { id, method, payload }: Extract<Message, { kind: "call" }>,
): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  let message: Message;
  try {
    const handler = methods[method];
    if (handler === undefined) throw new CridError("unimplemented", `no method ${method}`);
    const report = (value: unknown) => {
      port.postMessage({ kind: "report", id, value } satisfies Message);
    };
    message = { kind: "result", id, value: await handler(payload, controller.signal, report) };
  } catch (error) {
    message = { kind: "error", id, error: toWireError(error) };
  } finally {
    running.delete(id);
  }
  port.postMessage(message);
}
