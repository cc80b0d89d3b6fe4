/** The kinds of failure a caller can tell apart; the names of the gRPC status codes, in lower case. */
export type ErrorCode =
  | "cancelled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "unauthenticated";

/**
 * The one error that crosses rooms. The message says what was being done, on what, what went wrong
 * and what the user can do; `server/` alone turns the code into a gRPC status.
 */
export class CridError extends Error {
  override readonly name = "CridError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The text of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether `error` is a {@linkcode CridError} of one of `codes`. */
export function isCode(error: unknown, ...codes: ErrorCode[]): error is CridError {
  return error instanceof CridError && codes.includes(error.code);
}

/**
 * Puts what was being done in front of an error's text. A {@linkcode CridError} keeps its code, an
 * aborted wait becomes `cancelled`, a deadline `deadline_exceeded`; anything else gets `code`.
 */
export function wrapError(doing: string, error: unknown, code: ErrorCode = "unknown"): CridError {
  const message = `${doing}: ${errorMessage(error)}`;
  return new CridError(codeOf(error) ?? code, message, { cause: error });
}

function codeOf(error: unknown): ErrorCode | undefined {
  if (error instanceof CridError) return error.code;
  if (error instanceof DOMException && error.name === "AbortError") return "cancelled";
  if (error instanceof DOMException && error.name === "TimeoutError") return "deadline_exceeded";
  return undefined;
}
