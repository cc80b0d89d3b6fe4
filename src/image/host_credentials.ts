/**
 * Credentials that only the `cri` isolate can get: from helper programs, and from files for one namespace that
 * are used up by a pull. They go with the request to the isolate that talks to registries.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "@std/path";
import { errorMessage } from "../failure/mod.ts";
import { run } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import { parseReference, repositoryName } from "./reference.ts";
import { loadRegistriesConf, type RegistriesFiles } from "./registries_conf.ts";
import { credentialsFromFiles, helperFromFile } from "./registry/credentials.ts";
import { pullSources } from "./registry/sources.ts";
import { pullCandidates, type ShortNameMode } from "./short_names.ts";
import type { HostCredentials, RegistryAuth } from "./types.ts";

export interface HostCredentialsOptions {
  readonly registries: RegistriesFiles;
  readonly shortNameMode: ShortNameMode;
  readonly authFiles: readonly string[];
  /** `namespaced_auth_dir` of crio.conf. */
  readonly namespacedDir: string;
}

/** Credentials for one pull; disposing it removes files that were for this pull only. */
export type LeasedCredentials = HostCredentials & AsyncDisposable;

/** In `credential-helpers`, the name for the auth files. */
const AUTH_FILES = "containers-auth.json";
const HELPER_MS = 30_000;

/**
 * Finds credentials for an image. What cannot be had is logged, and the pull goes on without.
 *
 * @throws {CridError} For a broken registries.conf, as the pull itself would.
 */
export async function hostCredentials(
  options: HostCredentialsOptions,
  reference: string,
  namespace: string,
): Promise<LeasedCredentials> {
  const conf = await loadRegistriesConf(options.registries);
  const names = pullCandidates(conf, reference, options.shortNameMode);
  const leased = await namespacedFile(options.namespacedDir, names.map(repositoryName), namespace);
  if (leased !== undefined) return leased;
  const byRegistry: Record<string, RegistryAuth> = {};
  for (const { reference: place } of names.flatMap((name) => pullSources(conf, name))) {
    if (byRegistry[place.domain] !== undefined) continue;
    for (const source of conf.credentialHelpers ?? [AUTH_FILES]) {
      const helper = source === AUTH_FILES
        ? await helperBeforeFiles(options.authFiles, repositoryName(place))
        : source;
      const found = helper === undefined ? undefined : await askHelper(helper, place.domain);
      if (found !== undefined) byRegistry[place.domain] = found;
      if (found !== undefined) break;
    }
  }
  return { byRegistry, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** The helper that a file names for a registry, unless a file before it has credentials itself. */
async function helperBeforeFiles(
  files: readonly string[],
  repository: string,
): Promise<string | undefined> {
  const reference = parseReference(repository);
  for (const file of files) {
    try {
      const helper = await helperFromFile(file, reference.domain);
      if (helper !== undefined) return helper;
      if ((await credentialsFromFiles([file], reference)).kind !== "none") return undefined;
    } catch {
      // The pull reads the file, too, and says what is wrong with it.
      return undefined;
    }
  }
  return undefined;
}

/** Docker's protocol for helpers: the registry on standard input, JSON on standard output. */
async function askHelper(name: string, registry: string): Promise<RegistryAuth | undefined> {
  const program = `docker-credential-${name}`;
  try {
    if (!/^[\w.-]+$/.test(name)) throw new Error("that is no name of a helper");
    // Helpers find their own configuration by variables: a cloud's role, a home directory.
    const env = Deno.env.toObject();
    const options = { stdin: `${registry}\n`, timeoutMs: HELPER_MS, env };
    const { code, stdout } = await run(program, ["get"], options);
    const text = typeof stdout === "string" ? stdout : new TextDecoder().decode(stdout);
    if (/credentials not found/i.test(text)) return undefined;
    // Its words may hold secrets.
    if (code !== 0) throw new Error(`it ended with ${code}`);
    const { Username: username, Secret: secret } = JSON.parse(text);
    if (typeof username !== "string" || typeof secret !== "string" || username === "") {
      return undefined;
    }
    const isToken = username === "<token>";
    return {
      username: isToken ? "" : username,
      password: isToken ? "" : secret,
      identityToken: isToken ? secret : "",
      auth: "",
      serverAddress: registry,
      registryToken: "",
    };
  } catch (error) {
    const why = error instanceof SyntaxError ? "its answer is no JSON" : errorMessage(error);
    log.warn("credential helper failed; its registry is tried without", {
      helper: program,
      registry,
      error: why,
    });
    return undefined;
  }
}

/** A file for this namespace and repository, taken away so that no other pull uses it. */
async function namespacedFile(
  directory: string,
  repositories: readonly string[],
  namespace: string,
): Promise<LeasedCredentials | undefined> {
  // A namespace is a DNS label; anything else must not become a path.
  if (directory === "" || !/^[a-z0-9-]+$/.test(namespace)) return undefined;
  for (const repository of repositories) {
    const name = `${namespace}-${createHash("sha256").update(repository).digest("hex")}`;
    const path = join(directory, `${name}.json`);
    log.debug(`Looking for namespaced auth JSON file in: ${path}`);
    const taken = join(directory, "in-use", `${name}-${crypto.randomUUID()}.json`);
    try {
      if (!(await Deno.lstat(path)).isFile) continue;
      await Deno.mkdir(join(directory, "in-use"), { recursive: true, mode: 0o700 });
      await Deno.rename(path, taken);
      log.info(`Using auth file for namespace ${namespace}: ${path}`);
      const authFile = { path, text: await Deno.readTextFile(taken) };
      return {
        authFile,
        byRegistry: {},
        async [Symbol.asyncDispose]() {
          await Deno.remove(taken).catch(() => {});
          log.debug(`Removed temp auth file: ${taken}`);
        },
      };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      await Deno.remove(taken).catch(() => {});
      log.warn("namespaced auth file is not used", { file: path, error: errorMessage(error) });
    }
  }
  return undefined;
}
