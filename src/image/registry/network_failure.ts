import { errorMessage } from "../../failure/mod.ts";

/** How a connection failed, as far as it matters for what to do next. */
export type NetworkFailureKind =
  /** Nobody could be reached: refused, no route, unknown host, timeout. */
  | "unreachable"
  /** The other side does not speak TLS. */
  | "not_tls"
  /** The certificate is not trusted. */
  | "certificate"
  /** The certificate is its own authority, which rustls refuses and everybody else accepts. */
  | "authority_as_leaf"
  /** fetch has a list of ports that it never uses. */
  | "blocked_port"
  /** The connection broke. */
  | "interrupted";

/** A request that got no answer, or an answer that broke off. */
export class NetworkFailure extends Error {
  override readonly name = "NetworkFailure";
  readonly kind: NetworkFailureKind;

  constructor(kind: NetworkFailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

const KINDS: readonly (readonly [NetworkFailureKind, RegExp])[] = [
  ["authority_as_leaf", /CaUsedAsEndEntity/],
  ["certificate", /certificate|CERT_|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/],
  ["not_tls", /InvalidContentType|InvalidMessage|wrong version number|EPROTO/],
  ["blocked_port", /Requests to port \d+ are blocked/],
  ["unreachable", /refused|ECONNREFUSED|dns error|ENOTFOUND|EAI_AGAIN|failed to lookup/],
  ["unreachable", /unreachable|No route|timed out|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/],
];

/**
 * Sorts what an HTTP client threw. The text is what the innermost cause says; URLs in it are left out,
 * because signed ones are as good as passwords.
 */
export function networkFailure(error: unknown): NetworkFailure {
  if (error instanceof NetworkFailure) return error;
  let innermost = error;
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause;
  const text = errorMessage(innermost)
    .replace(/error sending request(?: for url \(.*?\))?: /, "")
    .replace(/client error \((\w+)\): /, "");
  const kind = KINDS.find(([, pattern]) => pattern.test(text))?.[0] ?? "interrupted";
  return new NetworkFailure(kind, text, { cause: error });
}
