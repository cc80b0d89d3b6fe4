import type { Buffer } from "node:buffer";

/** How a generated service writes the answers of one method. */
interface Answering<Response> {
  readonly responseSerialize: (response: Response) => Buffer;
}

/**
 * The method, with each answer encoded once: a handler that gives the same object again has not
 * changed it, and its bytes are sent again.
 */
export function encodedOnce<Response extends object, Method extends Answering<Response>>(
  method: Method & Answering<Response>,
): Method {
  const known = new WeakMap<Response, Buffer>();
  const responseSerialize = (response: Response): Buffer => {
    const bytes = known.get(response) ?? method.responseSerialize(response);
    known.set(response, bytes);
    return bytes;
  };
  return { ...method, responseSerialize };
}
