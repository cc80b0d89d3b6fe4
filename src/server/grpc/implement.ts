import type {
  sendUnaryData,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { type EventEmitter, once } from "node:events";
import { CridError, type ErrorCode } from "../../failure/mod.ts";
import type { Handlers, StreamHandler, UnaryHandler } from "./handlers.ts";
import { type CallLog, callLog } from "./request_log.ts";
import type { RunningCalls } from "./running_calls.ts";
import { toCridError, toStatus } from "./status.ts";

/** Told of each RPC when it is over: its name, how long it took, and how it failed if it did. */
export type OperationObserver = (
  operation: string,
  milliseconds: number,
  failure: ErrorCode | undefined,
) => void;

/** What all RPCs share. */
export interface Surroundings {
  readonly running: RunningCalls;
  readonly observe: OperationObserver;
}

/** A client hangs up at its own deadline, a little before the server has counted to it. */
const DEADLINE_SLACK_MS = 50;

type AnyUnaryCall = ServerUnaryCall<unknown, unknown>;
type AnyStreamCall = ServerWritableStream<unknown, unknown>;

/**
 * Puts around each handler what every RPC needs: the request log, an abort signal for a client that
 * goes away, errors as status codes, and the time it took.
 */
export function implement<Service extends UntypedServiceImplementation>(
  definition: ServiceDefinition<Service>,
  handlers: Handlers<Service>,
  surroundings: Surroundings,
): UntypedServiceImplementation {
  const byName = handlers as Readonly<Record<string, unknown>>;
  const methods = Object.entries(definition).map(([name, method]) => {
    const handler = byName[name];
    return [
      name,
      method.responseStream
        ? streaming(method.path, handler as StreamHandler<unknown, unknown>, surroundings)
        : unary(method.path, handler as UnaryHandler<unknown, unknown>, surroundings),
    ];
  });
  return Object.fromEntries(methods);
}

function unary(path: string, handler: UnaryHandler<unknown, unknown>, around: Surroundings) {
  return async (call: AnyUnaryCall, answer: sendUnaryData<unknown>): Promise<void> => {
    const lines = callLog(path);
    lines.request(call.request);
    const operation = new Operation(path, call, "unary", around);
    try {
      const response = await handler(call.request, operation);
      operation.end(undefined);
      lines.response(response);
      answer(null, response);
    } catch (thrown) {
      const error = failed(thrown, lines);
      operation.end(error.code);
      answer(toStatus(error));
    }
  };
}

function streaming(path: string, handler: StreamHandler<unknown, unknown>, around: Surroundings) {
  return async (call: AnyStreamCall): Promise<void> => {
    const lines = callLog(path);
    lines.request(call.request);
    const operation = new Operation(path, call, "stream", around);
    // grpc-js destroys the stream of a client that has gone; the signal says so already.
    call.on("error", () => {});
    try {
      for await (const message of handler(call.request, operation)) {
        lines.response(message);
        operation.signal.throwIfAborted();
        if (!call.write(message)) await once(call, "drain", { signal: operation.signal });
      }
      operation.signal.throwIfAborted();
      operation.end(undefined);
      call.end();
    } catch (thrown) {
      const { signal } = operation;
      const error = failed(signal.aborted ? signal.reason : thrown, lines);
      operation.end(error.code);
      call.emit("error", toStatus(error));
    }
  };
}

function failed(thrown: unknown, lines: CallLog): CridError {
  const error = toCridError(thrown);
  if (error !== thrown && error.code === "internal") lines.unexpected(error);
  lines.error(error);
  return error;
}

/** One RPC, until the last byte of its answer is on its way. */
class Operation {
  readonly #path: string;
  readonly #started = performance.now();
  readonly #controller = new AbortController();
  readonly #around: Surroundings;
  #isAnswered = false;

  constructor(
    path: string,
    call: AnyUnaryCall | AnyStreamCall,
    kind: "unary" | "stream",
    around: Surroundings,
  ) {
    this.#path = path;
    this.#around = around;
    const abort = (reason: CridError) => {
      if (!this.#isAnswered) this.#controller.abort(reason);
    };
    const leave = around.running.enter({ path, kind, since: this.#started, abort });
    // grpc-js says so of each call, whether it was cut off or its answer was sent.
    const emitter: EventEmitter = call;
    emitter.once("cancelled", () => {
      leave();
      if (!this.#isAnswered) abort(whyCancelled(call.getDeadline()));
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The handler is done; what is left is to send. */
  end(failure: ErrorCode | undefined): void {
    this.#isAnswered = true;
    const name = this.#path.slice(this.#path.lastIndexOf("/") + 1);
    this.#around.observe(name, performance.now() - this.#started, failure);
  }
}

function whyCancelled(deadline: Date | number): CridError {
  return Number(deadline) - Date.now() < DEADLINE_SLACK_MS
    ? new CridError("deadline_exceeded", "context deadline exceeded")
    : new CridError("cancelled", "context canceled");
}
