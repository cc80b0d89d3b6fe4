import type {
  handleServerStreamingCall,
  handleUnaryCall,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";

/** What a handler knows of the call that it answers, besides the request. */
export interface Call {
  /**
   * Aborts when the client goes away, its deadline passes or the server shuts down; the reason is a
   * `CridError` that says which.
   */
  readonly signal: AbortSignal;
}

/** Answers a request with one message. */
export type UnaryHandler<Request, Response> = (
  request: Request,
  call: Call,
) => Response | Promise<Response>;

/** Answers a request with messages, as fast as the client takes them. */
export type StreamHandler<Request, Response> = (
  request: Request,
  call: Call,
) => AsyncIterable<Response>;

type HandlerOf<Method> = Method extends handleUnaryCall<infer Request, infer Response>
  ? UnaryHandler<Request, Response>
  : Method extends handleServerStreamingCall<infer Request, infer Response>
    ? StreamHandler<Request, Response>
  : never;

/**
 * One handler for each RPC of a generated service, none left out: a new RPC in the proto does not
 * compile until somebody says what it does.
 */
export type Handlers<Service extends UntypedServiceImplementation> = {
  readonly [
    Method in keyof Service as string extends Method ? never
      : number extends Method ? never
      : Method
  ]: HandlerOf<Service[Method]>;
};
