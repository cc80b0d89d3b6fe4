import { CridError } from "../../failure/mod.ts";
import { NetworkFailure } from "./network_failure.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "./transport.ts";

export interface RedirectOptions {
  transport(host: string): Promise<HttpTransport>;
  /** The longest wait for the beginning of each answer. */
  readonly answerMs: number;
  readonly signal: AbortSignal;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 10;

/**
 * Sends a request and follows its redirects. The authorization stays with the host it was meant for.
 *
 * @throws {CridError} `unavailable` for a loop or an unusable target.
 * @throws {NetworkFailure} When there is no answer.
 */
export async function followRedirects(
  request: HttpRequest,
  options: RedirectOptions,
): Promise<HttpResponse> {
  let { url } = request;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) =>
        name !== "authorization" || url.origin === request.url.origin
      ),
    );
    const response = await sendInTime({ ...request, url, headers }, options);
    const target = response.headers.get("location");
    if (!REDIRECTS.has(response.status) || target === null) return response;
    // An upload's answer names the next address in the same header, with another status.
    response.discard();
    url = redirectTarget(request.url.host, url, target);
    // What has a body is a token request, with credentials in it, or a stream that is sent once.
    if (request.method !== "GET" && request.method !== "HEAD") {
      throw new CridError(
        "unavailable",
        `${request.url.host} redirects a ${request.method} request`,
      );
    }
  }
  throw new CridError(
    "unavailable",
    `registry ${request.url.host} redirects more than ${MAX_REDIRECTS} times, perhaps in a circle`,
  );
}

function redirectTarget(host: string, from: URL, target: string): URL {
  const url = URL.parse(target, from);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new CridError("unavailable", `registry ${host} redirects to an unusable address`);
  }
  url.username = "";
  url.password = "";
  url.hash = "";
  return url;
}

/** Limits the wait for the answer's head; the body then has no limit but `signal`. */
async function sendInTime(
  request: HttpRequest,
  { transport, answerMs, signal }: RedirectOptions,
): Promise<HttpResponse> {
  signal.throwIfAborted();
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(
      new NetworkFailure(
        "unreachable",
        `no answer from ${request.url.host} in ${answerMs / 1000} s`,
      ),
    );
  }, answerMs);
  try {
    const via = await transport(request.url.host);
    return await via.send(request, AbortSignal.any([signal, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}
