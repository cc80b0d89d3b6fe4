import { status as Status } from "@grpc/grpc-js";
import { CridError, type ErrorCode, errorMessage, wrapError } from "../../failure/mod.ts";

/** What a failed RPC answers. */
export interface FailureStatus {
  readonly code: number;
  readonly details: string;
}

const STATUS: Readonly<Record<ErrorCode, Status>> = {
  cancelled: Status.CANCELLED,
  unknown: Status.UNKNOWN,
  invalid_argument: Status.INVALID_ARGUMENT,
  deadline_exceeded: Status.DEADLINE_EXCEEDED,
  not_found: Status.NOT_FOUND,
  already_exists: Status.ALREADY_EXISTS,
  permission_denied: Status.PERMISSION_DENIED,
  resource_exhausted: Status.RESOURCE_EXHAUSTED,
  failed_precondition: Status.FAILED_PRECONDITION,
  aborted: Status.ABORTED,
  unimplemented: Status.UNIMPLEMENTED,
  internal: Status.INTERNAL,
  unavailable: Status.UNAVAILABLE,
  unauthenticated: Status.UNAUTHENTICATED,
};

/** Details travel percent-encoded in one HTTP/2 header; a client refuses a header block over 64 kB. */
const MAX_DETAILS = 8_000;

/** Anything that a handler threw, as a {@linkcode CridError}; what is none of ours is `internal`. */
export function toCridError(error: unknown): CridError {
  if (error instanceof CridError) return error;
  if (error instanceof DOMException) return wrapError("wait", error, "internal");
  return new CridError("internal", errorMessage(error), { cause: error });
}

/** The one place where an error becomes a gRPC status. No stack leaves the process. */
export function toStatus(error: CridError): FailureStatus {
  const text = error.message.toWellFormed();
  return {
    code: STATUS[error.code],
    details: text.length <= MAX_DETAILS ? text : text.slice(0, MAX_DETAILS).toWellFormed() + "…",
  };
}
