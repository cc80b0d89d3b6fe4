import { isAbsolute } from "@std/path";
import { HOOK_STAGES, type HookStage } from "../hooks/hook_file.ts";
import type { OciHook } from "../types.ts";

/** A CDI specification (cncf-tags/container-device-interface, SPEC.md). */
export interface CdiSpec {
  /** `vendor.com/class`. */
  readonly kind: string;
  readonly devices: ReadonlyMap<string, CdiEdits>;
  /** What every container with a device of this specification gets. */
  readonly edits: CdiEdits;
}

/** What a device changes in a container. */
export interface CdiEdits {
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly deviceNodes: readonly CdiNode[];
  readonly mounts: readonly CdiMount[];
  readonly hooks: readonly (readonly [HookStage, OciHook])[];
  readonly additionalGids: readonly number[];
  /** As in the OCI runtime spec. */
  readonly intelRdt: Readonly<Record<string, unknown>> | undefined;
}

/** A device node; what is missing is as it is on the host. */
export interface CdiNode {
  readonly path: string;
  readonly hostPath: string;
  readonly type: string | undefined;
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly fileMode: number | undefined;
  readonly permissions: string;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly type: string;
  readonly options: readonly string[];
}

type Json = Record<string, unknown>;

/**
 * Reads a CDI specification, JSON or YAML by its file name.
 *
 * @throws {Error} Saying what is wrong with it.
 */
export async function parseCdiSpec(text: string, path: string): Promise<CdiSpec> {
  const value = path.endsWith(".json") ? JSON.parse(text) : await readYaml(text);
  const spec = object(value, "the file");
  const version = String(spec["cdiVersion"] ?? "");
  if (!/^v?[01]\.\d+(\.\d+)?$/.test(version)) {
    throw new Error(`cdiVersion ${JSON.stringify(version)} is not known`);
  }
  const kind = String(spec["kind"] ?? "");
  if (!KIND.test(kind)) throw new Error(`kind ${JSON.stringify(kind)} is not vendor/class`);
  const devices = new Map<string, CdiEdits>();
  for (const [at, each] of list(spec["devices"], "devices").entries()) {
    const device = object(each, `devices[${at}]`);
    const name = String(device["name"] ?? "");
    if (!NAME.test(name)) throw new Error(`device name ${JSON.stringify(name)} is no name`);
    if (devices.has(name)) throw new Error(`device ${name} is there twice`);
    devices.set(name, parseEdits(device["containerEdits"], `device ${name}`));
  }
  if (devices.size === 0) throw new Error("it has no devices");
  return { kind, devices, edits: parseEdits(spec["containerEdits"], "containerEdits") };
}

/** Only hosts with specifications in YAML pay for the parser. */
async function readYaml(text: string): Promise<unknown> {
  const { parseYaml } = await import("./yaml.ts");
  return parseYaml(text);
}

const KIND = /^[A-Za-z][A-Za-z0-9_.-]*\/[A-Za-z][A-Za-z0-9_-]*$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/;
const QUALIFIED = /^([^=]+)=(.+)$/;

/**
 * Takes `vendor.com/class=name` apart.
 *
 * @returns `undefined` for what is no such name.
 */
export function parseDeviceName(text: string): { kind: string; name: string } | undefined {
  const [, kind = "", name = ""] = QUALIFIED.exec(text) ?? [];
  return KIND.test(kind) && NAME.test(name) ? { kind, name } : undefined;
}

function parseEdits(value: unknown, what: string): CdiEdits {
  const edits = object(value ?? {}, what);
  return {
    env: strings(edits["env"], `${what}: env`).map((entry) => {
      if (entry.indexOf("=") > 0 && !entry.includes("\0")) return entry;
      throw new Error(`${what}: env ${JSON.stringify(entry)} is not NAME=value`);
    }),
    deviceNodes: list(edits["deviceNodes"], `${what}: deviceNodes`)
      .map((node) => parseNode(object(node, `${what}: deviceNodes`), what)),
    mounts: list(edits["mounts"], `${what}: mounts`)
      .map((mount) => parseMount(object(mount, `${what}: mounts`), what)),
    hooks: list(edits["hooks"], `${what}: hooks`)
      .map((hook) => parseHook(object(hook, `${what}: hooks`), what)),
    additionalGids: list(edits["additionalGids"], `${what}: additionalGids`).map(Number),
    intelRdt: edits["intelRdt"] === undefined
      ? undefined
      : object(edits["intelRdt"], `${what}: intelRdt`),
  };
}

function parseNode(node: Json, what: string): CdiNode {
  const path = absolute(node["path"], `${what}: path of a device node`);
  const type = optional(node["type"], String);
  if (type !== undefined && !["b", "c", "u", "p"].includes(type)) {
    throw new Error(`${what}: ${path}: type ${type} is no type of device`);
  }
  const permissions = String(node["permissions"] ?? "rwm");
  if (!/^[rwm]{1,3}$/.test(permissions)) {
    throw new Error(`${what}: ${path}: permissions ${permissions} are not of r, w and m`);
  }
  return {
    path,
    hostPath: node["hostPath"] === undefined
      ? path
      : absolute(node["hostPath"], `${what}: hostPath of ${path}`),
    type,
    major: optional(node["major"], Number),
    minor: optional(node["minor"], Number),
    fileMode: optional(node["fileMode"], Number),
    permissions,
    uid: optional(node["uid"], Number),
    gid: optional(node["gid"], Number),
  };
}

function parseMount(mount: Json, what: string): CdiMount {
  return {
    hostPath: absolute(mount["hostPath"], `${what}: hostPath of a mount`),
    containerPath: absolute(mount["containerPath"], `${what}: containerPath of a mount`),
    type: String(mount["type"] ?? "bind"),
    options: strings(mount["options"], `${what}: options of a mount`),
  };
}

function parseHook(hook: Json, what: string): readonly [HookStage, OciHook] {
  const stage = HOOK_STAGES.find((stage) => stage === hook["hookName"]);
  if (stage === undefined) throw new Error(`${what}: ${hook["hookName"]} is no kind of hook`);
  return [stage, {
    path: absolute(hook["path"], `${what}: path of a hook`),
    ...(hook["args"] === undefined ? {} : { args: strings(hook["args"], `${what}: args`) }),
    ...(hook["env"] === undefined ? {} : { env: strings(hook["env"], `${what}: env`) }),
    ...(hook["timeout"] === undefined ? {} : { timeout: Number(hook["timeout"]) }),
  }];
}

function absolute(value: unknown, what: string): string {
  if (typeof value === "string" && isAbsolute(value)) return value;
  throw new Error(`${what} is not an absolute path: ${JSON.stringify(value)}`);
}

function optional<T>(value: unknown, convert: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : convert(value);
}

function object(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new Error(`${what} is not an object`);
}

function list(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new Error(`${what} is not a list`);
}

function strings(value: unknown, what: string): string[] {
  const texts = list(value, what);
  if (texts.every((each) => typeof each === "string")) return [...texts];
  throw new Error(`${what} is not a list of texts`);
}
