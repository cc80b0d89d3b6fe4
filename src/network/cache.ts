import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { Buffer } from "node:buffer";
import { wrapError } from "../failure/mod.ts";
import { listKernelDirectory } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import { type NetworkConfig, parseNetworkList } from "./configuration.ts";
import { isObject, type JsonObject, parseObject, stringOf } from "./json.ts";

/** One pod's interface on one network: what plugins are told about it. */
export interface Attachment {
  readonly containerId: string;
  readonly ifName: string;
  /** `""` when it is gone. */
  readonly netns: string;
  readonly args: readonly (readonly [string, string])[];
  readonly capabilities: JsonObject;
}

/** What the cache knows of an attachment that was made. */
export interface CachedAttachment {
  readonly attachment: Attachment;
  readonly network: string;
  /** As it was when the attachment was made; `undefined` when it cannot be read any more. */
  readonly config: NetworkConfig | undefined;
  readonly result: JsonObject | undefined;
  /** Which crid made it; `""` when another program or a crid without a name did. */
  readonly owner: string;
  readonly path: string;
}

const KIND = "cniCacheV1";

/**
 * The results of ADD on disk, in the files that libcni writes, so that CRI-O, podman or cnitool find
 * what crid has attached and the other way round. The member `owner` is ours; the others ignore it.
 */
export class ResultCache {
  readonly #directory: string;
  readonly #owner: string;

  constructor(cacheDir: string, owner: string) {
    this.#directory = `${cacheDir}/results`;
    this.#owner = owner;
  }

  /** @throws {CridError} `internal` naming the file. */
  write(config: NetworkConfig, attachment: Attachment, result: JsonObject): void {
    const { containerId, ifName, netns, args, capabilities } = attachment;
    const entry = {
      kind: KIND,
      containerId,
      config: Buffer.from(config.json).toString("base64"),
      ifName,
      networkName: config.name,
      netns,
      cniArgs: args,
      capabilityArgs: capabilities,
      result,
      ...(this.#owner === "" ? {} : { owner: this.#owner }),
    };
    const path = this.#path(config, attachment);
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      // Its own name is none that the cache would read: a crash leaves a file that does no harm.
      const draft = `${this.#directory}/.${config.name}-${containerId}-${ifName}.tmp`;
      writeFileSync(draft, JSON.stringify(entry), { mode: 0o600 });
      renameSync(draft, path);
    } catch (error) {
      throw wrapError(`write the CNI result to ${path}`, error, "internal");
    }
  }

  /** All attachments of a pod; empty when it was never added. */
  of(containerId: string): readonly CachedAttachment[] {
    return this.#read((name) => name.includes(`-${containerId}-`))
      .filter(({ attachment }) => attachment.containerId === containerId);
  }

  /** Everything in the cache, whoever has made it. */
  all(): readonly CachedAttachment[] {
    return this.#read(() => true);
  }

  /** Forgets an attachment; gone already is fine. */
  remove({ path }: CachedAttachment): void {
    rmSync(path, { force: true });
  }

  /** Forgets what {@linkcode ResultCache.write} has written, if it has. */
  forget(config: NetworkConfig, attachment: Attachment): void {
    rmSync(this.#path(config, attachment), { force: true });
  }

  #path({ name }: NetworkConfig, { containerId, ifName }: Attachment): string {
    return `${this.#directory}/${name}-${containerId}-${ifName}`;
  }

  #read(wanted: (name: string) => boolean): readonly CachedAttachment[] {
    // Straight from the kernel: with a few hundred pods, readdir would be most of a restart.
    const names = listKernelDirectory(this.#directory)?.map(({ name }) => name) ?? [];
    return names.filter((name) => wanted(name) && !name.startsWith("."))
      .map((name) => parseEntry(`${this.#directory}/${name}`))
      .filter((entry) => entry !== undefined);
  }
}

function parseEntry(path: string): CachedAttachment | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // Removed since the directory was read.
    return undefined;
  }
  const json = parseObject(text);
  if (json === undefined || json.kind !== KIND) {
    // A power failure can leave an empty file; DEL then does without a result, as for an unknown pod.
    log.warn(`Ignoring the CNI cache file ${path}: it is not a cached result`);
    return undefined;
  }
  return {
    attachment: {
      containerId: stringOf(json, "containerId"),
      ifName: stringOf(json, "ifName"),
      netns: stringOf(json, "netns"),
      args: pairs(json.cniArgs),
      capabilities: isObject(json.capabilityArgs) ? json.capabilityArgs : {},
    },
    network: stringOf(json, "networkName"),
    // Seldom asked for, and half of the work of reading an entry.
    get config() {
      return cachedConfig(stringOf(json, "config"));
    },
    result: isObject(json.result) ? json.result : undefined,
    owner: stringOf(json, "owner"),
    path,
  };
}

function cachedConfig(base64: string): NetworkConfig | undefined {
  try {
    return parseNetworkList(Buffer.from(base64, "base64").toString());
  } catch {
    return undefined;
  }
}

function pairs(value: unknown): readonly (readonly [string, string])[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((pair: unknown) =>
    Array.isArray(pair) && typeof pair[0] === "string" && typeof pair[1] === "string"
      ? [[pair[0], pair[1]] as const]
      : []
  );
}
