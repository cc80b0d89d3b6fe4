import { CridError } from "../../failure/mod.ts";
import { formatReference, type ImageReference, parseReference } from "../reference.ts";
import { isInsecure } from "./insecure.ts";
import type { MirrorEntry, RegistriesConf, RegistryEntry } from "../registries_conf.ts";

/** One place from which an image may be fetched. */
export interface PullSource {
  /** The name at this place; the image is recorded under its logical name, never under this one. */
  readonly reference: ImageReference;
  readonly insecure: boolean;
  readonly isMirror: boolean;
}

/**
 * Where to look for `reference`: the mirrors that may serve it, in order, then the registry itself.
 *
 * @param insecure `insecure_registries` of crio.conf; what registries.conf says of them is added.
 * @throws {CridError} `permission_denied` when the registry is blocked.
 */
export function pullSources(
  conf: RegistriesConf,
  reference: ImageReference,
  insecure: readonly string[] = [],
): readonly PullSource[] {
  return sourcesOf(conf, reference).map((source) => ({
    ...source,
    insecure: source.insecure || isInsecure(source.reference.domain, insecure),
  }));
}

function sourcesOf(conf: RegistriesConf, reference: ImageReference): readonly PullSource[] {
  const name = formatReference(reference);
  const found = findRegistry(conf, name);
  if (found === undefined) return [{ reference, insecure: false, isMirror: false }];
  const { entry, length } = found;
  if (entry.blocked) throw blocked(entry);
  const at = (location: string) =>
    location === "" ? reference : parseReference(location + name.slice(length));
  return [
    ...entry.mirrors.filter((mirror) => serves(mirror, reference)).map((mirror) => ({
      reference: at(mirror.location),
      insecure: mirror.insecure,
      isMirror: true,
    })),
    { reference: at(entry.location), insecure: entry.insecure, isMirror: false },
  ];
}

/**
 * Where to push `reference`: its own registry. Mirrors and other locations are for pulls.
 *
 * @param insecure As for {@linkcode pullSources}.
 * @throws {CridError} `permission_denied` when the registry is blocked.
 */
export function pushTarget(
  conf: RegistriesConf,
  reference: ImageReference,
  insecure: readonly string[] = [],
): PullSource {
  const entry = findRegistry(conf, formatReference(reference))?.entry;
  if (entry?.blocked) throw blocked(entry);
  return {
    reference,
    insecure: entry?.insecure === true || isInsecure(reference.domain, insecure),
    isMirror: false,
  };
}

function blocked({ prefix, file }: RegistryEntry): CridError {
  return new CridError("permission_denied", `registry ${prefix} is blocked in ${file}`);
}

function serves(mirror: MirrorEntry, reference: ImageReference): boolean {
  if (mirror.pullFrom === "all") return true;
  return (mirror.pullFrom === "digest-only") === (reference.digest !== undefined);
}

/** The entry with the longest prefix of `name`, and how much of the name that is. */
function findRegistry(
  conf: RegistriesConf,
  name: string,
): { readonly entry: RegistryEntry; readonly length: number } | undefined {
  let best: { readonly entry: RegistryEntry; readonly length: number } | undefined;
  for (const entry of conf.registries) {
    const length = matchLength(entry.prefix, name);
    if (length === undefined) continue;
    if (best === undefined || entry.prefix.length > best.entry.prefix.length) {
      best = { entry, length };
    }
  }
  return best;
}

function matchLength(prefix: string, name: string): number | undefined {
  if (!prefix.startsWith("*.")) {
    return name.startsWith(prefix) && isBoundary(name[prefix.length]) ? prefix.length : undefined;
  }
  const host = name.slice(0, name.indexOf("/"));
  const hostname = host.replace(/:[0-9]+$/, "");
  const suffix = prefix.slice(1);
  if (host.endsWith(suffix)) return host.length;
  return hostname.endsWith(suffix) ? hostname.length : undefined;
}

function isBoundary(character: string | undefined): boolean {
  return character === undefined || "/:@".includes(character);
}
