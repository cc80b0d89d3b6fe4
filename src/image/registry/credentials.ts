import { CridError, errorMessage } from "../../failure/mod.ts";
import { type ImageReference, repositoryName } from "../reference.ts";
import type { RegistryAuth } from "../types.ts";

/** What to show a registry. */
export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, exchanged at the token server. */
  | { readonly kind: "identity"; readonly token: string }
  /** A bearer token, sent to the registry as it is. */
  | { readonly kind: "registry"; readonly token: string };

const NONE: Credentials = { kind: "none" };

/** Credentials that came with a CRI request; malformed ones count as none, as in CRI-O. */
export function credentialsFromRequest(auth: RegistryAuth | undefined): Credentials {
  if (auth === undefined) return NONE;
  if (auth.registryToken !== "") return { kind: "registry", token: auth.registryToken };
  if (auth.identityToken !== "") return { kind: "identity", token: auth.identityToken };
  if (auth.username !== "") {
    return { kind: "basic", username: auth.username, password: auth.password };
  }
  return decodeBasic(auth.auth) ?? NONE;
}

/**
 * Looks for credentials in auth files: the first file that has any for the image wins, and in it the
 * most specific key (`host/ns/repo`, `host/ns`, `host`). Format: containers-auth.json(5).
 *
 * @throws {CridError} `failed_precondition` for a file that cannot be read or is no JSON.
 */
export async function credentialsFromFiles(
  files: readonly string[],
  reference: ImageReference,
): Promise<Credentials> {
  for (const file of files) {
    const text = await readIfPresent(file);
    if (text === undefined || text.trim() === "") continue;
    const found = credentialsFromFile(file, text, reference);
    if (found.kind !== "none") return found;
  }
  return NONE;
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw unreadable(file, error);
  }
}

interface AuthFile {
  readonly auths?: Record<string, { auth?: unknown; identitytoken?: unknown } | null>;
  readonly credHelpers?: Record<string, unknown>;
}

/**
 * The helper program that an auth file names for a registry, without `docker-credential-`.
 *
 * @throws {CridError} `failed_precondition` for a file that cannot be read or is no JSON.
 */
export async function helperFromFile(file: string, registry: string): Promise<string | undefined> {
  const text = await readIfPresent(file);
  if (text === undefined || text.trim() === "") return undefined;
  const helper = parseFile(file, text)?.credHelpers?.[registry];
  return typeof helper === "string" && helper !== "" ? helper : undefined;
}

function parseFile(file: string, text: string): AuthFile {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreadable(file, error);
  }
}

/**
 * As {@linkcode credentialsFromFiles} for the text of one file.
 *
 * @throws {CridError} `failed_precondition` when it is no JSON.
 */
export function credentialsFromFile(
  file: string,
  text: string,
  reference: ImageReference,
): Credentials {
  const content = parseFile(file, text);
  const auths = new Map(Object.entries(content?.auths ?? {}));
  // Docker writes URLs as keys; the plain form goes first.
  for (const [key, value] of [...auths]) {
    const host = normalizedKey(key);
    if (!auths.has(host)) auths.set(host, value);
  }
  for (const key of keys(reference)) {
    const entry = auths.get(key);
    if (typeof entry?.identitytoken === "string" && entry.identitytoken !== "") {
      return { kind: "identity", token: entry.identitytoken };
    }
    const basic = typeof entry?.auth === "string" ? decodeBasic(entry.auth) : undefined;
    if (basic !== undefined) return basic;
  }
  return NONE;
}

function* keys(reference: ImageReference): Generator<string> {
  let key = repositoryName(reference);
  yield key;
  while (key.includes("/")) {
    key = key.slice(0, key.lastIndexOf("/"));
    yield key;
  }
}

function normalizedKey(key: string): string {
  if (!/^https?:\/\//.test(key)) return key;
  const host = key.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}

/** base64 of `user:password`; NULs at the end, as some tools write them, do not count. */
function decodeBasic(base64: string): Credentials | undefined {
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const text = new TextDecoder().decode(bytes);
    const colon = text.indexOf(":");
    if (colon <= 0) return undefined;
    const password = text.slice(colon + 1).replace(/\0+$/, "");
    return { kind: "basic", username: text.slice(0, colon), password };
  } catch {
    return undefined;
  }
}

/** The parser's message would quote the file, so that it is left out. */
function unreadable(file: string, error: unknown): CridError {
  const why = error instanceof SyntaxError ? "it is no valid JSON" : errorMessage(error);
  return new CridError("failed_precondition", `read the auth file ${file}: ${why}`);
}
