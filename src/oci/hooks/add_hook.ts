import type { OciHook, OciSpec } from "../types.ts";
import type { HookStage } from "./hook_file.ts";

/** Adds a hook behind those that a spec has for that stage. */
export function addHook(spec: OciSpec, stage: HookStage, hook: OciHook): void {
  spec.hooks = { ...spec.hooks, [stage]: [...spec.hooks?.[stage] ?? [], hook] };
}
