import { readFileSync } from "node:fs";
import { parse } from "@std/toml";
import { CridError, errorMessage } from "../failure/mod.ts";
import { isErrno } from "../linux/mod.ts";
import type { StoreOptions } from "./types.ts";

/** The places of storage.conf; the first that exists is used alone. */
const SYSTEM_FILES = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];

const DEFAULTS: StoreOptions = {
  graphRoot: "/var/lib/containers/storage",
  runRoot: "/run/containers/storage",
  driver: "overlay",
  imageStore: "",
  options: [],
};

/** Members of `[storage.options.<driver>]` (and, as fallback, of `[storage.options]`) that are options. */
const BTRFS_KEYS = ["min_space", "size"] as const;
const OVERLAY_KEYS = [
  "mountopt",
  "mount_program",
  "size",
  "inodes",
  "skip_mount_home",
  "ignore_chown_errors",
  "force_mask",
  "use_composefs",
  "sync",
] as const;

/**
 * Where podman and CRI-O find their store: storage.conf, or the defaults when there is none.
 *
 * `CONTAINERS_STORAGE_CONF` names the only file to read, `XDG_CONFIG_HOME` a directory to look in
 * first; `STORAGE_DRIVER` and `STORAGE_OPTS` win over the file.
 *
 * @throws {CridError} `invalid_argument` when a file is no TOML, with its name and line.
 */
export function loadStorageConf(env: Readonly<Record<string, string | undefined>>): StoreOptions {
  const fromFile = readFirst(configFiles(env));
  const extra = (env["STORAGE_OPTS"] ?? "").split(",").filter((option) => option !== "");
  return {
    ...fromFile,
    driver: env["STORAGE_DRIVER"] || fromFile.driver,
    options: extra.length > 0 ? extra : fromFile.options,
  };
}

/** Reads the text of a storage.conf; `path` is for messages. @throws {CridError} `invalid_argument`. */
export function parseStorageConf(content: string, path: string): StoreOptions {
  let document: Record<string, unknown>;
  try {
    document = parse(content);
  } catch (error) {
    throw new CridError("invalid_argument", `read ${path}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  const storage = table(document["storage"]);
  const options = table(storage["options"]);
  const string = (key: string, fallback: string) => {
    const value = storage[key];
    if (value === undefined || value === "") return fallback;
    if (typeof value === "string") return value;
    throw new CridError("invalid_argument", `read ${path}: storage.${key} is no string`);
  };
  const driver = string("driver", DEFAULTS.driver);
  const kind = driver === "btrfs" ? driver : "overlay";
  const own = table(options[kind]);
  return {
    graphRoot: string("graphroot", DEFAULTS.graphRoot),
    runRoot: string("runroot", DEFAULTS.runRoot),
    driver,
    imageStore: string("imagestore", DEFAULTS.imageStore),
    options: [
      ...(kind === "btrfs" ? BTRFS_KEYS : OVERLAY_KEYS).flatMap((key) => {
        const value = own[key] ?? options[key];
        return value === undefined || value === "" ? [] : [`${kind}.${key}=${value}`];
      }),
      ...paths(options["additionalimagestores"], path)
        .map((store) => `${driver}.imagestore=${store}`),
    ],
  };
}

function configFiles(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const only = env["CONTAINERS_STORAGE_CONF"];
  if (only !== undefined && only !== "") return [only];
  const home = env["XDG_CONFIG_HOME"];
  const own = home === undefined || home === "" ? [] : [`${home}/containers/storage.conf`];
  return [...own, ...SYSTEM_FILES];
}

function readFirst(paths: readonly string[]): StoreOptions {
  for (const path of paths) {
    let content: string;
    try {
      content = readFileSync(path, "utf8");
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) continue;
      throw error;
    }
    return parseStorageConf(content, path);
  }
  return DEFAULTS;
}

function paths(value: unknown, file: string): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((path) => typeof path === "string")) return value;
  throw new CridError(
    "invalid_argument",
    `read ${file}: storage.options.additionalimagestores is no list of paths`,
  );
}

function table(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}
