import { CridError } from "../../failure/mod.ts";
import type { Challenge } from "./challenge.ts";
import { answerError, readDocument } from "./client_errors.ts";
import type { Credentials } from "./credentials.ts";
import { networkFailure } from "./network_failure.ts";
import type { HttpRequest, HttpResponse } from "./transport.ts";

/** A value for the `Authorization` header. */
export interface Authorization {
  readonly header: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** What getting an authorization needs to know. */
export interface AuthorizationContext {
  /** Registry host, for messages. */
  readonly host: string;
  /** Repository to be read, without host. */
  readonly repository: string;
  readonly credentials: Credentials;
  /** Whether credentials may go to a token server over plain HTTP. */
  readonly plainHttp: "allowed" | "refused";
  send(request: HttpRequest): Promise<HttpResponse>;
}

const TOKEN_LIMIT = { bytes: 1024 * 1024, milliseconds: 30_000 };
/** The least lifetime of a token that says less, or nothing (distribution's token specification). */
const MIN_LIFETIME_S = 60;
const CLIENT_ID = "crid";

/**
 * Answers a registry's challenges.
 *
 * @throws {CridError} `unauthenticated` when the credentials at hand do not do.
 */
export async function authorize(
  challenges: readonly Challenge[],
  context: AuthorizationContext,
): Promise<Authorization> {
  const { host, credentials } = context;
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  if (bearer !== undefined) {
    if (credentials.kind === "registry") return forever(`Bearer ${credentials.token}`);
    return await fetchToken(bearer, context);
  }
  if (challenges.some(({ scheme }) => scheme === "basic")) {
    if (credentials.kind === "basic") return forever(basic(credentials));
    throw new CridError(
      "unauthenticated",
      `registry ${host} requires a user name and password, and none are configured for it`,
    );
  }
  throw new CridError(
    "unauthenticated",
    `registry ${host} denied access and offers no way to authenticate that is supported`,
  );
}

function forever(header: string): Authorization {
  return { header, expires: Number.POSITIVE_INFINITY };
}

function basic(credentials: Extract<Credentials, { kind: "basic" }>): string {
  const bytes = new TextEncoder().encode(`${credentials.username}:${credentials.password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

async function fetchToken(
  { parameters }: Challenge,
  context: AuthorizationContext,
): Promise<Authorization> {
  const { credentials, host } = context;
  const realm = tokenRealm(parameters.realm, context);
  const scope = parameters.scope ?? `repository:${context.repository}:pull`;
  const what = `token for registry ${host} from ${realm.origin}`;
  const form = new URLSearchParams({ ...service(parameters), scope });
  let request: HttpRequest;
  if (credentials.kind === "identity") {
    form.set("grant_type", "refresh_token");
    form.set("client_id", CLIENT_ID);
    form.set("refresh_token", credentials.token);
    request = {
      method: "POST",
      url: realm,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: form.toString(),
    };
  } else {
    const isBasic = credentials.kind === "basic";
    if (isBasic) form.set("account", credentials.username);
    for (const [name, value] of form) realm.searchParams.set(name, value);
    const headers: Record<string, string> = isBasic ? { authorization: basic(credentials) } : {};
    request = { method: "GET", url: realm, headers };
  }
  let response: HttpResponse;
  try {
    response = await context.send(request);
  } catch (error) {
    if (error instanceof CridError) throw error;
    throw new CridError(
      "unavailable",
      `RegistryUnavailable: ${what}: ${networkFailure(error).message}`,
    );
  }
  if (response.status === 401 || response.status === 403 || response.status === 400) {
    const { message } = await answerError(what, response);
    throw new CridError("unauthenticated", message);
  }
  if (response.status !== 200) throw await answerError(what, response);
  return parseToken(what, await readDocument(what, response, TOKEN_LIMIT));
}

function service(parameters: Readonly<Record<string, string>>): Record<string, string> {
  return parameters.service === undefined ? {} : { service: parameters.service };
}

/** The registry chooses where credentials go, but not over an open line. */
function tokenRealm(realm: string | undefined, context: AuthorizationContext): URL {
  const { host, credentials, plainHttp } = context;
  const url = URL.parse(realm ?? "");
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new CridError("unauthenticated", `registry ${host} names no usable token server`);
  }
  if (url.protocol === "http:" && credentials.kind !== "none" && plainHttp === "refused") {
    throw new CridError(
      "unauthenticated",
      `registry ${host} asks to send credentials to ${url.host} over plain HTTP, which is refused`,
    );
  }
  return url;
}

function parseToken(what: string, bytes: Uint8Array): Authorization {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new CridError("unavailable", `${what}: the answer is no JSON`);
  }
  const token = json?.token || json?.access_token;
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw new CridError("unavailable", `${what}: the answer has no token`);
  }
  const lifetime = typeof json.expires_in === "number" ? json.expires_in : 0;
  return {
    header: `Bearer ${token}`,
    expires: Date.now() + Math.max(lifetime, MIN_LIFETIME_S) * 1000,
  };
}
