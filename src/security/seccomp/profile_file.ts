import { CridError, errorMessage } from "../../failure/mod.ts";
import { readFileInRoot } from "../../linux/mod.ts";
import { MACHINE } from "./default_profile.ts";
import type { LinuxSeccomp, SeccompArg, SeccompSyscall } from "./types.ts";

const MAX_BYTES = 1024 * 1024;

const ACTIONS = new Set([
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
]);

const OPERATORS = new Set([
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
]);

/** `SCMP_ARCH_*` of the machines that crid runs on. */
const NATIVE: Readonly<Record<string, string>> = {
  x86_64: "SCMP_ARCH_X86_64",
  aarch64: "SCMP_ARCH_AARCH64",
};

/** Go's names, which the `arches` of a rule use. */
const GO_ARCHITECTURE: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** What a profile's conditional rules are decided by. */
export interface ProfileConditions {
  readonly capabilities: ReadonlySet<string>;
  readonly machine?: string;
  /** `major.minor` of the running kernel. */
  readonly kernel?: string;
}

/**
 * Reads a profile file in the format that Docker, podman and Kubernetes share.
 *
 * @throws {CridError} `invalid_argument`: `unable to load local profile "<path>": …`.
 */
export function loadSeccompProfile(
  file: string,
  conditions: ProfileConditions,
): LinuxSeccomp {
  try {
    return parseSeccompProfile(readProfile(file), conditions);
  } catch (error) {
    throw new CridError(
      "invalid_argument",
      `unable to load local profile ${JSON.stringify(file)}: ${errorMessage(error)}`,
      { cause: error },
    );
  }
}

function readProfile(file: string): string {
  if (!file.startsWith("/")) throw new Error("the path is not absolute");
  const bytes = readFileInRoot("/", file, MAX_BYTES);
  if (bytes === undefined) throw new Error(`open ${file}: no such file or directory`);
  return new TextDecoder().decode(bytes);
}

/**
 * Turns a profile's text into `linux.seccomp` of the OCI runtime spec: rules for other capabilities
 * or architectures are left out, `archMap` becomes `architectures`.
 *
 * @throws {Error} `decoding seccomp profile failed: …`.
 */
export function parseSeccompProfile(text: string, conditions: ProfileConditions): LinuxSeccomp {
  const machine = conditions.machine ?? MACHINE;
  const profile = object(decode(text), "the profile");
  const listener = profile.listenerPath;
  const errno = optionalNumber(profile.defaultErrnoRet, "defaultErrnoRet");
  const architectures = profileArchitectures(profile, machine);
  const flags = strings(profile.flags, "flags");
  return {
    defaultAction: member(profile.defaultAction, ACTIONS, "defaultAction"),
    ...(errno === undefined ? {} : { defaultErrnoRet: errno }),
    ...(architectures.length === 0 ? {} : { architectures }),
    ...(flags.length === 0 ? {} : { flags }),
    ...(typeof listener === "string" && listener !== "" ? { listenerPath: listener } : {}),
    ...(typeof profile.listenerMetadata === "string" && profile.listenerMetadata !== ""
      ? { listenerMetadata: profile.listenerMetadata }
      : {}),
    syscalls: list(profile.syscalls, "syscalls")
      .map((rule) => object(rule, "a rule"))
      .filter((rule) => applies(rule, { ...conditions, machine }))
      .map(parseRule),
  };
}

/** Parses JSON and keeps each number as it is written: arguments are 64-bit, doubles are not. */
function decode(text: string): unknown {
  type Reviver = (key: string, value: unknown, context: { source: string }) => unknown;
  const reviver: Reviver = (key, value, { source }) =>
    typeof value === "number" && (key === "value" || key === "valueTwo") ? raw(source) : value;
  try {
    // The context argument is ES2025, newer than TypeScript's types.
    return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
  } catch (error) {
    throw new Error(`decoding seccomp profile failed: ${errorMessage(error)}`);
  }
}

function raw(source: string): unknown {
  if (!/^[0-9]+$/.test(source) || BigInt(source) > 0xffff_ffff_ffff_ffffn) {
    throw new Error(`${source} is not an unsigned 64-bit number`);
  }
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);
}

function profileArchitectures(profile: Record<string, unknown>, machine: string): string[] {
  const given = strings(profile.architectures, "architectures");
  const maps = list(profile.archMap, "archMap").map((entry) => object(entry, "archMap"));
  if (given.length > 0 && maps.length > 0) {
    throw new Error("both architectures and archMap are given; use one of them");
  }
  const map = maps.find((entry) => entry.architecture === NATIVE[machine]);
  if (map === undefined) return given;
  return [NATIVE[machine]!, ...strings(map.subArchitectures, "subArchitectures")];
}

function applies(
  rule: Record<string, unknown>,
  conditions: ProfileConditions & { readonly machine: string },
): boolean {
  const includes = object(rule.includes ?? {}, "includes");
  const excludes = object(rule.excludes ?? {}, "excludes");
  const arch = GO_ARCHITECTURE[conditions.machine] ?? "";
  const has = (name: string) => conditions.capabilities.has(name);
  const includedArches = strings(includes.arches, "arches");
  return strings(includes.caps, "caps").every(has) &&
    !strings(excludes.caps, "caps").some(has) &&
    (includedArches.length === 0 || includedArches.includes(arch)) &&
    !strings(excludes.arches, "arches").includes(arch) &&
    kernelAtLeast(conditions.kernel, includes.minKernel) &&
    !(excludes.minKernel !== undefined && kernelAtLeast(conditions.kernel, excludes.minKernel));
}

function kernelAtLeast(kernel: string | undefined, wanted: unknown): boolean {
  if (typeof wanted !== "string" || wanted === "" || kernel === undefined) return true;
  const [major = 0, minor = 0] = kernel.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function parseRule(rule: Record<string, unknown>): SeccompSyscall {
  const names = typeof rule.name === "string" && rule.name !== ""
    ? [rule.name]
    : strings(rule.names, "names");
  if (names.length === 0) throw new Error("a rule names no syscall");
  const errno = optionalNumber(rule.errnoRet, "errnoRet");
  const args = list(rule.args, "args").map(parseArg);
  return {
    names,
    action: member(rule.action, ACTIONS, "action"),
    ...(errno === undefined ? {} : { errnoRet: errno }),
    ...(args.length === 0 ? {} : { args }),
  };
}

function parseArg(value: unknown): SeccompArg {
  const arg = object(value, "args");
  const index = optionalNumber(arg.index, "index") ?? 0;
  if (index > 5) throw new Error(`argument index ${index}: syscalls have six arguments`);
  return {
    index,
    value: arg.value ?? 0,
    ...(arg.valueTwo === undefined ? {} : { valueTwo: arg.valueTwo }),
    op: member(arg.op, OPERATORS, "op"),
  };
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new Error(`decoding seccomp profile failed: ${what} is not an object`);
}

function list(value: unknown, what: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new Error(`decoding seccomp profile failed: ${what} is not a list`);
}

function strings(value: unknown, what: string): string[] {
  return list(value, what).map((item) => {
    if (typeof item === "string") return item;
    throw new Error(`decoding seccomp profile failed: ${what} has something that is no text`);
  });
}

function optionalNumber(value: unknown, what: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw new Error(`decoding seccomp profile failed: ${what} is not a whole number`);
}

function member(value: unknown, known: ReadonlySet<string>, what: string): string {
  if (typeof value === "string" && known.has(value)) return value;
  throw new Error(`decoding seccomp profile failed: ${what} ${JSON.stringify(value)} is unknown`);
}
