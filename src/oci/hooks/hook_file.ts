import { isAbsolute } from "@std/path";
import type { OciHook } from "../types.ts";

/** When a runtime runs a hook (runtime-spec, config.md, "POSIX-platform Hooks"). */
export const HOOK_STAGES = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;

export type HookStage = typeof HOOK_STAGES[number];

/** One hook file: what is run, and for which containers. */
export interface HookFile {
  readonly hook: OciHook;
  readonly stages: readonly HookStage[];
  readonly when: HookConditions;
}

/** All that are given must hold, or any of them; none given never holds. */
export interface HookConditions {
  readonly need: "all" | "any";
  readonly always: boolean | undefined;
  readonly hasBindMounts: boolean | undefined;
  /** Patterns of key and value. */
  readonly annotations: readonly (readonly [key: RegExp, value: RegExp])[];
  /** Patterns of the container's program. */
  readonly commands: readonly RegExp[];
}

/** What of a container decides on its hooks. */
export interface HookSubject {
  /** Command line; the program comes first. */
  readonly args: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly hasBindMounts: boolean;
}

/**
 * Reads a hook file (oci-hooks(5), version 1.0.0 and 0.1.0, which needs not be named).
 *
 * @throws {Error} Saying what is wrong with it.
 */
export function parseHookFile(text: string): HookFile {
  const file = object(JSON.parse(text), "the file");
  const version = file["version"] ?? "0.1.0";
  if (version === "1.0.0") return parseCurrent(file);
  if (version === "0.1.0") return parseFirst(file);
  throw new Error(`version ${JSON.stringify(version)} is neither 1.0.0 nor 0.1.0`);
}

function parseCurrent(file: Record<string, unknown>): HookFile {
  const when = object(file["when"] ?? {}, "when");
  return {
    hook: parseHook(object(file["hook"], "hook")),
    stages: stages(file["stages"]),
    when: {
      need: "all",
      always: optionalBoolean(when["always"], "when.always"),
      hasBindMounts: optionalBoolean(when["hasBindMounts"], "when.hasBindMounts"),
      annotations: Object.entries(object(when["annotations"] ?? {}, "when.annotations"))
        .map(([key, value]) => [new RegExp(key), new RegExp(String(value))] as const),
      commands: strings(when["commands"] ?? [], "when.commands").map((text) => new RegExp(text)),
    },
  };
}

/** Version 0.1.0: lists may be named in the singular, and one condition that holds is enough. */
function parseFirst(file: Record<string, unknown>): HookFile {
  const list = (name: string) => strings(file[`${name}s`] ?? file[name] ?? [], `${name}s`);
  const path = file["hook"];
  const args = file["arguments"];
  return {
    hook: parseHook({
      path,
      args: args === undefined ? undefined : [path, ...strings(args, "arguments")],
    }),
    stages: stages(list("stage")),
    when: {
      need: "any",
      always: undefined,
      hasBindMounts: optionalBoolean(file["hasbindmounts"], "hasbindmounts"),
      annotations: list("annotation").map((value) => [/.*/, new RegExp(value)] as const),
      commands: list("cmd").map((text) => new RegExp(text)),
    },
  };
}

function parseHook(hook: Record<string, unknown>): OciHook {
  const path = hook["path"];
  if (typeof path !== "string" || !isAbsolute(path)) {
    throw new Error(`hook.path ${JSON.stringify(path)} is not an absolute path`);
  }
  const timeout = hook["timeout"];
  if (timeout !== undefined && (typeof timeout !== "number" || timeout <= 0)) {
    throw new Error(`hook.timeout ${JSON.stringify(timeout)} is not a number of seconds`);
  }
  return {
    path,
    ...(hook["args"] === undefined ? {} : { args: strings(hook["args"], "hook.args") }),
    ...(hook["env"] === undefined ? {} : { env: strings(hook["env"], "hook.env") }),
    ...(timeout === undefined ? {} : { timeout }),
  };
}

/** Whether a hook is for this container. */
export function hookApplies(when: HookConditions, subject: HookSubject): boolean {
  const { args: [program = ""], annotations, hasBindMounts } = subject;
  const conditions: boolean[] = [];
  if (when.always !== undefined) conditions.push(when.always);
  if (when.hasBindMounts !== undefined) conditions.push(when.hasBindMounts && hasBindMounts);
  for (const [key, value] of when.annotations) {
    conditions.push(Object.entries(annotations).some(([k, v]) => key.test(k) && value.test(v)));
  }
  if (when.commands.length > 0) {
    conditions.push(when.commands.some((pattern) => pattern.test(program)));
  }
  if (when.need === "any") return conditions.includes(true);
  return conditions.length > 0 && conditions.every((holds) => holds);
}

function stages(value: unknown): readonly HookStage[] {
  const names = strings(value ?? [], "stages");
  const unknown = names.find((name) => !(HOOK_STAGES as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`stages: ${JSON.stringify(unknown)} is no stage`);
  if (names.length === 0) throw new Error("stages: there is none");
  return names as HookStage[];
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new Error(`${what} is not an object`);
}

function strings(value: unknown, what: string): string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  throw new Error(`${what} is not a list of texts`);
}

function optionalBoolean(value: unknown, what: string): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw new Error(`${what} is neither true nor false`);
}
