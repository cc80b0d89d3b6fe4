/**
 * registries.conf, version 2 (and the tables of version 1), with its drop-ins and short-name aliases:
 * containers-registries.conf(5).
 *
 * @module
 */

import { parse } from "@std/toml";
import { join } from "@std/path";
import { CridError, errorMessage, wrapError } from "../failure/mod.ts";
import { quote } from "./digest.ts";

/** Where the files are. Absent ones are as good as empty. */
export interface RegistriesFiles {
  /** `/etc/containers/registries.conf`. */
  readonly conf: string;
  /** Directories of drop-ins (`*.conf`), read in this order, each in the order of its file names. */
  readonly dropIns: readonly string[];
  /** Aliases that container tools have recorded, `/var/cache/containers/short-name-aliases.conf`. */
  readonly recordedAliases: string;
}

/** One `[[registry]]`. */
export interface RegistryEntry {
  /** `host[:port][/path]`, or `*.example.com`. */
  readonly prefix: string;
  /** What the prefix is replaced by; `""` (only with a wildcard) leaves names as they are. */
  readonly location: string;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly MirrorEntry[];
  /** The file it comes from, for messages. */
  readonly file: string;
}

/** One `[[registry.mirror]]`. */
export interface MirrorEntry {
  readonly location: string;
  readonly insecure: boolean;
  readonly pullFrom: "all" | "digest-only" | "tag-only";
}

/** All files together. */
export interface RegistriesConf {
  readonly registries: readonly RegistryEntry[];
  readonly searchRegistries: readonly string[];
  /** Short name to full repository name. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Where credentials come from, in order; `containers-auth.json` are the auth files. */
  readonly credentialHelpers?: readonly string[];
  readonly files: RegistriesFiles;
}

/** What there is without any file. */
export const NO_REGISTRIES: RegistriesConf = {
  registries: [],
  searchRegistries: [],
  aliases: new Map(),
  files: { conf: "", dropIns: [], recordedAliases: "" },
};

/**
 * Reads the configuration anew. In later files a registry replaces one of the same prefix, an alias
 * one of the same name (`""` removes it), a list the whole list.
 *
 * @throws {CridError} `failed_precondition` naming file and key.
 */
export async function loadRegistriesConf(files: RegistriesFiles): Promise<RegistriesConf> {
  const registries = new Map<string, RegistryEntry>();
  const aliases = new Map<string, string>();
  let searchRegistries: readonly string[] = [];
  let credentialHelpers: readonly string[] | undefined;
  for (const file of [files.conf, ...await dropInFiles(files), files.recordedAliases]) {
    const text = await readIfPresent(file);
    if (text === undefined) continue;
    const part = parseFile(file, text);
    searchRegistries = part.searchRegistries ?? searchRegistries;
    credentialHelpers = part.credentialHelpers ?? credentialHelpers;
    for (const [name, value] of part.aliases) {
      if (value === "") aliases.delete(name);
      else aliases.set(name, value);
    }
    for (const entry of part.registries) registries.set(entry.prefix, entry);
  }
  return {
    registries: [...registries.values()],
    searchRegistries,
    aliases,
    files,
    ...credentialHelpers && { credentialHelpers },
  };
}

async function dropInFiles(files: RegistriesFiles): Promise<string[]> {
  const found: string[] = [];
  for (const directory of files.dropIns) {
    try {
      const names: string[] = [];
      for await (const entry of Deno.readDir(directory)) {
        if (!entry.isDirectory && entry.name.endsWith(".conf")) names.push(entry.name);
      }
      found.push(...names.sort().map((name) => join(directory, name)));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw wrapError(`read ${directory}`, error, "failed_precondition");
      }
    }
  }
  return found;
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw wrapError(`read ${file}`, error, "failed_precondition");
  }
}

type Table = Record<string, unknown>;

function parseFile(file: string, text: string) {
  const bad = (why: string) => new CridError("failed_precondition", `read ${file}: ${why}`);
  let root: Table;
  try {
    root = parse(text) as Table;
  } catch (error) {
    throw bad(errorMessage(error));
  }
  const entries = tables(root.registry, () => bad("registry is no list of tables"));
  const version1 = isTable(root.registries) ? root.registries : undefined;
  const mixed = entries.length > 0 || root["unqualified-search-registries"] !== undefined;
  if (version1 !== undefined && mixed) throw bad("it mixes version 1 and version 2 of the format");
  const search = root["unqualified-search-registries"];
  return {
    aliases: Object.entries(isTable(root.aliases) ? root.aliases : {}).map((
      [name, value],
    ): [string, string] => {
      if (typeof value !== "string") throw bad(`the alias of ${quote(name)} is no text`);
      return [name, value];
    }),
    searchRegistries: version1
      ? version1List(version1, "search")
      : search === undefined
      ? undefined
      : strings(search, () => bad("unqualified-search-registries is no list of texts")),
    credentialHelpers: root["credential-helpers"] === undefined
      ? undefined
      : strings(root["credential-helpers"], () => bad("credential-helpers is no list of texts")),
    registries: version1
      ? version1Registries(version1, file)
      : withoutConflicts(entries.map((entry) => parseEntry(entry, file, bad)), bad),
  };
}

/** Several prefixes may lead to one place, but what is said of the place must be the same. */
function withoutConflicts(
  entries: readonly RegistryEntry[],
  bad: (why: string) => CridError,
): readonly RegistryEntry[] {
  const known = new Map<string, RegistryEntry>();
  for (const entry of entries) {
    const { location } = entry;
    const other = known.get(location) ?? entry;
    for (const key of ["insecure", "blocked"] as const) {
      if (other[key] === entry[key]) continue;
      throw bad(`registry ${quote(location)} is there several times, and ${key} differs`);
    }
    if (location !== "") known.set(location, entry);
  }
  return entries;
}

function parseEntry(entry: Table, file: string, bad: (why: string) => CridError): RegistryEntry {
  const given = { prefix: location(entry.prefix), location: location(entry.location) };
  const prefix = given.prefix || given.location;
  if (prefix === "") throw bad("a registry has neither prefix nor location");
  const wildcard = prefix.startsWith("*.");
  if (prefix.includes("*") && (!wildcard || prefix.indexOf("*", 1) > 0 || prefix.includes("/"))) {
    throw bad(`the prefix ${quote(prefix)} may have a wildcard only as its whole first label`);
  }
  for (const value of [prefix, given.location]) {
    if (value.includes("://")) throw bad(`${quote(value)} must not have a scheme`);
  }
  const byDigest = entry["mirror-by-digest-only"] === true;
  if (entry["pull-from-mirror"] !== undefined) {
    throw bad(`${quote(prefix)}: pull-from-mirror belongs to a mirror`);
  }
  return {
    prefix,
    location: given.location || (wildcard ? "" : prefix),
    insecure: entry.insecure === true,
    blocked: entry.blocked === true,
    file,
    mirrors: tables(entry.mirror, () => bad(`${quote(prefix)}: mirror is no list of tables`)).map(
      (mirror) => parseMirror(mirror, prefix, byDigest, bad),
    ),
  };
}

function parseMirror(
  mirror: Table,
  prefix: string,
  byDigest: boolean,
  bad: (why: string) => CridError,
): MirrorEntry {
  const where = location(mirror.location);
  if (where === "") throw bad(`${quote(prefix)}: a mirror has no location`);
  const pull = mirror["pull-from-mirror"] ?? "";
  if (byDigest && pull !== "") {
    throw bad(`${quote(prefix)}: pull-from-mirror and mirror-by-digest-only exclude each other`);
  }
  if (pull !== "" && pull !== "all" && pull !== "digest-only" && pull !== "tag-only") {
    throw bad(`${quote(prefix)}: pull-from-mirror is none of all, digest-only, tag-only`);
  }
  return {
    location: where,
    insecure: mirror.insecure === true,
    pullFrom: byDigest ? "digest-only" : pull || "all",
  };
}

function version1List(table: Table, name: string): string[] {
  const part = table[name];
  return isTable(part) && Array.isArray(part.registries)
    ? part.registries.filter((item) => typeof item === "string")
    : [];
}

function version1Registries(table: Table, file: string): RegistryEntry[] {
  const insecure = new Set(version1List(table, "insecure").map(location));
  const blocked = new Set(version1List(table, "block").map(location));
  return [...new Set([...insecure, ...blocked])].map((prefix) => ({
    prefix,
    location: prefix,
    insecure: insecure.has(prefix),
    blocked: blocked.has(prefix),
    mirrors: [],
    file,
  }));
}

function location(value: unknown): string {
  return typeof value === "string" ? value.trim().replace(/\/+$/, "") : "";
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tables(value: unknown, bad: () => CridError): Table[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every(isTable)) throw bad();
  return value;
}

function strings(value: unknown, bad: () => CridError): string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) throw bad();
  return value;
}
