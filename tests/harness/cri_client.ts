/**
 * A CRI client whose calls are promises, for tests: requests may leave out what they do not care for.
 *
 * @module
 */
import { type ClientOptions, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { Client } from "@grpc/grpc-js";
import * as api from "../../src/gen/runtime/v1/api.ts";

/** Any part of a message. */
export type Partially<T> = T extends bigint | Uint8Array ? T
  : T extends readonly (infer Item)[] ? readonly Partially<Item>[]
  : T extends object ? { readonly [Key in keyof T]?: Partially<T[Key]> | undefined }
  : T;

export interface CallOptions {
  /** Default 120 000; the CRI deadline that the server sees. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** One RPC, as ts-proto describes it. */
interface Method {
  readonly path: string;
  readonly responseStream: boolean;
  requestSerialize(value: never): Uint8Array;
  responseDeserialize(value: never): unknown;
}

type RequestOf<M> = M extends { requestDeserialize(value: never): infer Request } ? Request : never;
type ResponseOf<M> = M extends { responseDeserialize(value: never): infer Response } ? Response
  : never;

/** The calls of a service: promises, and async iterables where the answer is a stream. */
export type Calls<Service> = {
  readonly [Name in keyof Service]: Service[Name] extends { readonly responseStream: true } ? (
      request?: Partially<RequestOf<Service[Name]>>,
      options?: CallOptions,
    ) => AsyncIterable<ResponseOf<Service[Name]>>
    : (
      request?: Partially<RequestOf<Service[Name]>>,
      options?: CallOptions,
    ) => Promise<ResponseOf<Service[Name]>>;
};

/** Both services on one connection. A failed call rejects with a grpc-js `ServiceError`. */
export interface CriClient extends Disposable {
  readonly runtime: Calls<typeof api.RuntimeServiceService>;
  readonly image: Calls<typeof api.ImageServiceService>;
}

const DEFAULT_TIMEOUT_MS = 120_000;
/** What kubelet and crictl accept. */
const OPTIONS: Partial<ClientOptions> = {
  "grpc.max_receive_message_length": 16 * 1024 * 1024,
  "grpc.default_authority": "localhost",
  // A channel of its own: tests restart servers, and a shared one remembers failures.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 200,
};

/** Connects, lazily, to the socket at `path`. */
export function criClient(path: string): CriClient {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), OPTIONS);
  return {
    runtime: calls(client, api.RuntimeServiceService),
    image: calls(client, api.ImageServiceService),
    [Symbol.dispose]: () => client.close(),
  };
}

/** Whether `error` is a gRPC status. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number";
}

function calls<Service extends object>(client: Client, service: Service): Calls<Service> {
  const entries = Object.entries(service).map(([name, method]: [string, Method]) => [
    name,
    method.responseStream ? stream(client, method) : unary(client, method),
  ]);
  return Object.fromEntries(entries);
}

function unary(client: Client, method: Method) {
  return (request: object = {}, options: CallOptions = {}) =>
    new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        method.path,
        method.requestSerialize as (value: unknown) => never,
        method.responseDeserialize as (value: unknown) => unknown,
        wholeRequest(method, request),
        new Metadata(),
        { deadline: Date.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS) },
        (error, response) => error === null ? resolve(response) : reject(error),
      );
      options.signal?.addEventListener("abort", () => call.cancel(), { once: true });
    });
}

function stream(client: Client, method: Method) {
  return (request: object = {}, options: CallOptions = {}): AsyncIterable<unknown> => {
    const deadline = options.timeoutMs === undefined
      ? {}
      : { deadline: Date.now() + options.timeoutMs };
    const call = client.makeServerStreamRequest(
      method.path,
      method.requestSerialize as (value: unknown) => never,
      method.responseDeserialize as (value: unknown) => unknown,
      wholeRequest(method, request),
      new Metadata(),
      deadline,
    );
    options.signal?.addEventListener("abort", () => call.cancel(), { once: true });
    return call;
  };
}

/** Fills in what a partial request leaves out; `/runtime.v1.X/Version` takes a VersionRequest. */
function wholeRequest(method: Method, request: object): unknown {
  const rpc = method.path.slice(method.path.lastIndexOf("/") + 1);
  const name = rpc === "GetContainerEvents" ? "GetEvents" : rpc;
  const messages = api as unknown as Record<string, { fromPartial(value: object): unknown }>;
  return messages[`${name}Request`]!.fromPartial(request);
}
