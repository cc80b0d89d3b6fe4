import { CridError } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import type { ImageReference } from "../reference.ts";
import { type Authorization, authorize } from "./authorization.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { answerError, unreachableError } from "./client_errors.ts";
import type { Credentials } from "./credentials.ts";
import { NetworkFailure, networkFailure } from "./network_failure.ts";
import { followRedirects } from "./redirects.ts";
import { pause, retryAfter, type RetryPolicy } from "./retry.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "./transport.ts";

export interface RegistryClientOptions {
  /** The repository, as its registry knows it. */
  readonly reference: ImageReference;
  /** Whether plain HTTP and unverified TLS will do. */
  readonly insecure: boolean;
  readonly credentials: Credentials;
  readonly userAgent: string;
  readonly retry: RetryPolicy;
  /** The transport for a host with its port. */
  transport(host: string): Promise<HttpTransport>;
}

/** One request to the registry. */
export interface RegistryRequest {
  /** For messages: `manifest of host/repo:tag`. */
  readonly what: string;
  /** Below `/v2/<repository>/`: `manifests/latest`; or a whole address that the registry gave. */
  readonly path: string | URL;
  readonly method?: HttpRequest["method"];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest["body"];
  /** Statuses that are answers and no errors; 200 and 206 if not given. */
  readonly accept?: readonly number[];
}

/** A registry answers a challenge at most twice: the second time for a token that has expired. */
const MAX_CHALLENGES = 2;
const SERVER_TROUBLE = new Set([500, 502, 503, 504]);

/**
 * One repository on one registry: the distribution specification's pull half with its authentication,
 * retries and redirects. Keeps the scheme that works and the token from request to request.
 */
export class RegistryClient {
  readonly #options: RegistryClientOptions;
  readonly #host: string;
  #scheme: "https" | "http" | undefined;
  #authorization: Authorization | undefined;

  constructor(options: RegistryClientOptions) {
    this.#options = options;
    const { domain } = options.reference;
    this.#host = domain === "docker.io" ? "registry-1.docker.io" : domain;
    const { credentials } = options;
    if (credentials.kind === "registry") {
      this.#authorization = { header: `Bearer ${credentials.token}`, expires: Infinity };
    }
  }

  /** The host that requests go to. */
  get host(): string {
    return this.#host;
  }

  /**
   * Sends a request, a GET if it does not say, and returns an answer that it accepts.
   *
   * @throws {CridError} `unavailable`, `unauthenticated`, `permission_denied`, `not_found` or
   * `resource_exhausted`, with the registry's words; or the signal's reason.
   */
  async send(request: RegistryRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { retry } = this.#options;
    const { accept = [200, 206] } = request;
    let challenges = 0;
    let throttled = 0;
    let troubles = 0;
    while (true) {
      const response = await this.#send(request, signal);
      const { status } = response;
      if (accept.includes(status)) return response;
      // A stream is gone: whoever made it makes another.
      if (isStream(request.body)) throw await answerError(request.what, response);
      if (status === 429 && ++throttled < retry.throttledAttempts) {
        const wait = retryAfter(response.headers.get("retry-after")) ??
          Math.min(retry.throttledDelayMs * 2 ** (throttled - 1), retry.maxDelayMs);
        if (wait > retry.maxDelayMs) {
          const { code, message } = await answerError(request.what, response);
          throw new CridError(code, `${message}; retry after ${Math.ceil(wait / 1000)} s`);
        }
        response.discard();
        log.info("registry is throttling", { registry: this.#host, retryInMs: wait });
        await pause(wait, signal);
      } else if (SERVER_TROUBLE.has(status) && ++troubles < retry.attempts) {
        response.discard();
        await pause(retry.delayMs * 2 ** (troubles - 1), signal);
      } else if (challenges < MAX_CHALLENGES && await this.#answer(response, signal)) {
        challenges++;
      } else throw await answerError(request.what, response);
    }
  }

  /**
   * Gets an authorization if the answer is about the lack of one; says whether to ask again. Only the
   * registry itself may name who gets the credentials, nobody to whom it sends for a blob.
   */
  async #answer(response: HttpResponse, signal: AbortSignal): Promise<boolean> {
    const { status } = response;
    if (!this.#isOwn(response.url)) return false;
    let offered = parseChallenges(response.headers.get("www-authenticate") ?? "");
    if (status !== 401) {
      // Some registries hide what may not be seen and only the base path tells how to log in.
      const hidden = (status === 403 || status === 404) && this.#authorization === undefined &&
        this.#options.credentials.kind !== "none";
      if (!hidden) return false;
      offered = await this.#ping(signal);
      if (offered.length === 0) return false;
    } else if (offered.length === 0) offered = await this.#ping(signal);
    response.discard();
    const { credentials, reference, insecure } = this.#options;
    this.#authorization = await authorize(offered, {
      host: this.#host,
      repository: reference.path,
      credentials,
      plainHttp: insecure || this.#scheme === "http" ? "allowed" : "refused",
      send: (request) => this.#roundTrip(request, signal),
    });
    return true;
  }

  /** Whether the address is of the registry, and as safe as its other ones. */
  #isOwn(url: URL): boolean {
    return url.origin === new URL(`${this.#scheme ?? "https"}://${this.#host}`).origin;
  }

  async #ping(signal: AbortSignal): Promise<readonly Challenge[]> {
    const url = new URL(`${this.#scheme ?? "https"}://${this.#host}/v2/`);
    const response = await this.#roundTrip({ method: "GET", url, headers: {} }, signal);
    response.discard();
    if (response.status !== 401) return [];
    return parseChallenges(response.headers.get("www-authenticate") ?? "");
  }

  async #send(request: RegistryRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { reference, retry } = this.#options;
    const headers: Record<string, string> = { ...request.headers };
    const authorization = this.#authorization;
    const ours = !(request.path instanceof URL) || this.#isOwn(request.path);
    if (ours && authorization !== undefined && authorization.expires > Date.now()) {
      headers.authorization = authorization.header;
    }
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#withScheme(
          (scheme) => ({
            method: request.method ?? "GET",
            url: request.path instanceof URL
              ? request.path
              : new URL(`${scheme}://${this.#host}/v2/${reference.path}/${request.path}`),
            headers,
            ...request.body === undefined ? {} : { body: request.body },
          }),
          signal,
        );
      } catch (error) {
        if (error instanceof CridError || signal.aborted) throw error;
        const failure = networkFailure(error);
        const again = failure.kind === "interrupted" && !isStream(request.body);
        if (!again || attempt >= retry.attempts) {
          throw unreachableError(this.#host, failure);
        }
        await pause(retry.delayMs * 2 ** (attempt - 1), signal);
      }
    }
  }

  /** HTTPS, or for an insecure registry that has none, HTTP from then on. */
  async #withScheme(
    request: (scheme: "https" | "http") => HttpRequest,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    if (this.#scheme === undefined && this.#options.insecure) {
      try {
        const response = await this.#roundTrip(request("https"), signal);
        this.#scheme = "https";
        return response;
      } catch (error) {
        if (signal.aborted || error instanceof CridError) throw error;
        return await this.#plainHttp(request("http"), networkFailure(error), signal);
      }
    }
    return await this.#roundTrip(request(this.#scheme ?? "https"), signal);
  }

  async #plainHttp(
    request: HttpRequest,
    withTls: NetworkFailure,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    this.#scheme = "http";
    try {
      return await this.#roundTrip(request, signal);
    } catch (error) {
      this.#scheme = undefined;
      if (signal.aborted || error instanceof CridError) throw error;
      const { kind, message } = networkFailure(error);
      throw new NetworkFailure(kind, `HTTPS: ${withTls.message}; HTTP: ${message}`);
    }
  }

  async #roundTrip(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { userAgent, retry, transport } = this.#options;
    const headers = { "user-agent": userAgent, ...request.headers };
    return await followRedirects({ ...request, headers }, {
      transport,
      answerMs: retry.answerMs,
      signal,
    });
  }
}

function isStream(body: HttpRequest["body"]): boolean {
  return typeof body === "object" && Symbol.asyncIterator in body;
}
