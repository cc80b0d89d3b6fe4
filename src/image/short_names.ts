import { CridError } from "../failure/mod.ts";
import {
  formatReference,
  type ImageReference,
  isShortName,
  parseReference,
  splitReference,
} from "./reference.ts";
import type { RegistriesConf } from "./registries_conf.ts";

/** What to do when a short name may mean several images. */
export type ShortNameMode = "enforcing" | "permissive" | "disabled";

/**
 * The full names that a reference may mean, in the order to try them. A name with a registry means
 * itself; a short name is looked up among the aliases, then put behind each search registry.
 *
 * @throws {CridError} `invalid_argument` for a bad reference, and when a short name means nothing or, in
 * enforcing mode, more than one thing.
 */
export function pullCandidates(
  conf: RegistriesConf,
  text: string,
  mode: ShortNameMode,
): readonly ImageReference[] {
  const reference = parseReference(text);
  if (!isShortName(text)) return [reference];
  const alias = aliasOf(conf, text);
  if (alias !== undefined) return [alias];
  const candidates = searchCandidates(conf, text);
  if (candidates.length === 0) {
    throw new CridError(
      "invalid_argument",
      `short-name "${text}" did not resolve to an alias and no unqualified-search registries are ` +
        `defined in "${conf.files.conf}"`,
    );
  }
  if (mode === "enforcing" && candidates.length > 1) {
    throw new CridError(
      "invalid_argument",
      `short name mode is enforcing, but image name ${text} returns ambiguous list`,
    );
  }
  return candidates;
}

/**
 * The full names under which an image that is already here may be known to its users. Nothing is
 * fetched by these names, so more of them do no harm: `localhost/` comes first, Docker Hub last.
 *
 * @throws {CridError} `invalid_argument` for a bad reference.
 */
export function localCandidates(conf: RegistriesConf, text: string): readonly ImageReference[] {
  const reference = parseReference(text);
  if (!isShortName(text)) return [reference];
  const alias = aliasOf(conf, text);
  const candidates = [
    parseReference(`localhost/${text}`),
    ...alias === undefined ? [] : [alias],
    ...searchCandidates(conf, text),
    reference,
  ];
  return [...new Map(candidates.map((each) => [formatReference(each), each])).values()];
}

function aliasOf(conf: RegistriesConf, text: string): ImageReference | undefined {
  const { name } = splitReference(text);
  const alias = conf.aliases.get(name);
  return alias === undefined ? undefined : parseReference(alias + text.slice(name.length));
}

function searchCandidates(conf: RegistriesConf, text: string): ImageReference[] {
  return conf.searchRegistries.map((registry) => parseReference(`${registry}/${text}`));
}
