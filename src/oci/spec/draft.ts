import type { OciSpec, RuntimeHandler, SpecDefaults, SpecInput } from "../types.ts";
import type { ResolvedUser } from "../../security/mod.ts";

/** A spec on its way through the stages: each reads what came in and adds its part. */
export interface SpecDraft {
  readonly input: SpecInput;
  readonly defaults: SpecDefaults;
  readonly handler: RuntimeHandler;
  readonly spec: OciSpec;
  /** Decided by the user stage. */
  user: ResolvedUser;
}

/** One part of the spec. Stages run in order and may look at what earlier ones have decided. */
export type Stage = (draft: SpecDraft) => void | Promise<void>;

/** Whether the container gets nearly everything that this process has. */
export function isPrivileged(draft: SpecDraft): boolean {
  return draft.input.security.privileged;
}
