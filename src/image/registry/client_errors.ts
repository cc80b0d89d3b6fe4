import { CridError, type ErrorCode } from "../../failure/mod.ts";
import { quote } from "../digest.ts";
import { type NetworkFailure, networkFailure } from "./network_failure.ts";
import type { HttpResponse } from "./transport.ts";

/** How much of an error's body is read for its text, and how long. */
const ERROR_BODY = { bytes: 64 * 1024, milliseconds: 5_000 };

/** What a small document may take. */
export interface DocumentLimit {
  readonly bytes: number;
  readonly milliseconds: number;
}

/**
 * The error for an answer that is no success, with the registry's own words.
 *
 * @param what What was asked for: `manifest of host/repo:tag`.
 */
export async function answerError(what: string, response: HttpResponse): Promise<CridError> {
  const { status } = response;
  const said = await registryMessage(response);
  return new CridError(
    codeOf(status),
    `${what}: registry answered ${status}${meaning(status)}${said}`,
  );
}

/**
 * The error for no answer at all. The word in front is the one by which the kubelet knows this case.
 */
export function unreachableError(host: string, failure: NetworkFailure): CridError {
  const hint = HINTS[failure.kind] ?? "";
  return new CridError(
    "unavailable",
    `RegistryUnavailable: registry ${host} cannot be reached: ${failure.message}${hint}`,
    { cause: failure },
  );
}

/**
 * Reads a whole small document.
 *
 * @throws {CridError} `invalid_argument` when it is longer than the limit; `unavailable` when it breaks off
 * or takes too long.
 */
export async function readDocument(
  what: string,
  response: HttpResponse,
  limit: DocumentLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLong = () =>
    new CridError("invalid_argument", `${what} is longer than the limit of ${limit.bytes} bytes`);
  if (Number(response.headers.get("content-length") ?? 0) > limit.bytes) {
    response.discard();
    throw tooLong();
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const timer = setTimeout(() => response.discard(), limit.milliseconds);
  try {
    for await (const chunk of response.body) {
      length += chunk.length;
      if (length > limit.bytes) throw tooLong();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CridError) throw error;
    const failure = networkFailure(error);
    throw new CridError("unavailable", `${what}: the answer broke off: ${failure.message}`);
  } finally {
    clearTimeout(timer);
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

const TRUST_HINT = "; put the authority of its certificate into " +
  "/etc/containers/certs.d/<host>/ca.crt, or set insecure = true for it in registries.conf";

const HINTS: Partial<Record<NetworkFailure["kind"], string>> = {
  certificate: TRUST_HINT,
  authority_as_leaf: TRUST_HINT,
  not_tls: "; if it speaks plain HTTP, set insecure = true for it in registries.conf",
};

function codeOf(status: number): ErrorCode {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "permission_denied";
  if (status === 404) return "not_found";
  if (status === 429) return "resource_exhausted";
  if (status >= 500) return "unavailable";
  return "unknown";
}

function meaning(status: number): string {
  if (status === 401) return " (authentication required; check the image pull secret)";
  if (status === 403) return " (access denied)";
  if (status === 404) return " (not found)";
  if (status === 429) return " (rate limit)";
  return "";
}

/** The first error of a registry's error document: `{"errors":[{"code","message"}]}`. */
async function registryMessage(response: HttpResponse): Promise<string> {
  try {
    const bytes = await readDocument("the error", response, ERROR_BODY);
    const { errors } = JSON.parse(new TextDecoder().decode(bytes));
    const { code, message } = errors[0];
    return `: ${quote([code, message].filter((part) => typeof part === "string").join(": "))}`;
  } catch {
    return "";
  }
}
