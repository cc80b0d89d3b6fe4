import { CridError, errorMessage } from "../failure/mod.ts";
import { isDigest } from "./digest.ts";
import type { ImageConfig } from "./types.ts";

/** What the config of an image says (OCI image-spec, config.md; Docker's form is the same). */
export interface ParsedConfig {
  readonly config: ImageConfig;
  /** Digests of the uncompressed layers, the base first. */
  readonly diffIds: readonly string[];
  readonly created: Date | undefined;
}

/**
 * Reads an image config.
 *
 * @throws {CridError} `invalid_argument` when it is no config of a container image.
 */
export function parseConfig(bytes: Uint8Array): ParsedConfig {
  const json = parseObject(bytes);
  const config = object(json.config);
  const rootfs = object(json.rootfs);
  const diffIds = rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === "string" && isDigest(id))) {
    throw malformed("rootfs.diff_ids is no list of digests");
  }
  const created = typeof json.created === "string" ? new Date(json.created) : undefined;
  return {
    diffIds,
    created: created === undefined || Number.isNaN(created.getTime()) ? undefined : created,
    config: {
      user: text(config.User),
      env: texts(config.Env),
      entrypoint: texts(config.Entrypoint),
      cmd: texts(config.Cmd),
      workingDir: text(config.WorkingDir),
      stopSignal: text(config.StopSignal),
      volumes: Object.keys(object(config.Volumes)),
      labels: Object.fromEntries(
        Object.entries(object(config.Labels)).map(([key, value]) => [key, text(value)]),
      ),
      os: text(json.os),
      architecture: text(json.architecture),
    },
  };
}

/**
 * The user of an image as CRI tells it: a number is a uid, anything else a name; a group behind a
 * colon does not count.
 */
export function imageUser(
  user: string,
): { readonly uid: number | undefined; readonly username: string } {
  const name = user.split(":", 1)[0] ?? "";
  if (!/^[0-9]{1,10}$/.test(name)) return { uid: undefined, username: name };
  return { uid: Number(name), username: "" };
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    return object(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (error) {
    throw malformed(errorMessage(error));
  }
}

function object(value: unknown): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw malformed("a member is no object");
  return value as Record<string, unknown>;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function malformed(why: string): CridError {
  return new CridError("invalid_argument", `the image config is malformed: ${why}`);
}
