import { CridError } from "../failure/mod.ts";
import { isDigest, quote } from "./digest.ts";

/**
 * A full image name. The grammar is that of the distribution project's reference package, which every
 * container tool shares.
 */
export interface ImageReference {
  /** Registry host with optional port: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** Repository on that registry: `library/busybox`. */
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const DOMAIN_LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(
  `^(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`,
);
const PATH = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const ID = /^[a-f0-9]{64}$/;

/** Longest accepted text: 255 for the name, 128 for the tag, 135 for a sha512 digest, separators. */
const MAX_LENGTH = 520;
const MAX_NAME_LENGTH = 255;

/**
 * Reads a reference as users write it. `busybox` becomes `docker.io/library/busybox`, `latest` is
 * added when neither tag nor digest is given, and a tag beside a digest is dropped.
 *
 * @throws {CridError} `invalid_argument` saying what is wrong with it.
 */
export function parseReference(text: string): ImageReference {
  const { name, tag, digest } = splitReference(text);
  const { domain, path } = splitDomain(name);
  if (domain.length + 1 + path.length > MAX_NAME_LENGTH) {
    throw invalid(text, `the name is longer than ${MAX_NAME_LENGTH} characters`);
  }
  if (!DOMAIN.test(domain)) throw invalid(text, `${quote(domain)} is no registry host`);
  if (!PATH.test(path)) {
    throw invalid(
      text,
      path === path.toLowerCase()
        ? `${quote(path)} is no repository name`
        : "repository names must be lower case",
    );
  }
  if (digest !== undefined) return { domain, path, tag: undefined, digest };
  return { domain, path, tag: tag ?? "latest", digest: undefined };
}

/** `domain/path`, without tag and digest. */
export function repositoryName(reference: ImageReference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The whole reference in its full form; the inverse of {@linkcode parseReference}. */
export function formatReference(reference: ImageReference): string {
  const name = repositoryName(reference);
  if (reference.digest !== undefined) return `${name}@${reference.digest}`;
  return `${name}:${reference.tag ?? "latest"}`;
}

/** Whether the text has no registry host, so that registries.conf decides where it comes from. */
export function isShortName(text: string): boolean {
  const { name } = splitReference(text);
  return !startsWithDomain(name);
}

/** The parts of a reference before any default is applied. */
export function splitReference(
  text: string,
): {
  readonly name: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
} {
  if (text === "") throw invalid(text, "it is empty");
  if (text.length > MAX_LENGTH) throw invalid(text, `it is longer than ${MAX_LENGTH} characters`);
  if (ID.test(text)) throw invalid(text, "64 hexadecimal characters are an image id, not a name");
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw invalid(text, `${quote(digest)} is no sha256 or sha512 digest`);
  }
  const rest = at < 0 ? text : text.slice(0, at);
  const colon = rest.lastIndexOf(":");
  if (colon < 0 || rest.indexOf("/", colon) >= 0) return { name: rest, tag: undefined, digest };
  const tag = rest.slice(colon + 1);
  if (!TAG.test(tag)) throw invalid(text, `${quote(tag)} is no valid tag`);
  return { name: rest.slice(0, colon), tag, digest };
}

function splitDomain(name: string): { readonly domain: string; readonly path: string } {
  const slash = name.indexOf("/");
  let domain = "docker.io";
  let path = name;
  if (startsWithDomain(name)) {
    domain = name.slice(0, slash);
    path = name.slice(slash + 1);
    if (domain === "index.docker.io") domain = "docker.io";
  }
  if (domain === "docker.io" && !path.includes("/")) path = `library/${path}`;
  return { domain, path };
}

/** A first component is a host if it could not be a Docker Hub user: a dot, a port, upper case. */
function startsWithDomain(name: string): boolean {
  const slash = name.indexOf("/");
  if (slash < 0) return false;
  const first = name.slice(0, slash);
  return /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
}

function invalid(text: string, why: string): CridError {
  return new CridError("invalid_argument", `invalid image reference ${quote(text)}: ${why}`);
}
