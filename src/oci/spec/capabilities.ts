import { capabilitySets } from "../../security/mod.ts";
import { isPrivileged, type SpecDraft } from "./draft.ts";

/** What the process may do beyond an ordinary user. */
export function capabilitiesStage(draft: SpecDraft): void {
  const { input, defaults, spec } = draft;
  spec.process.capabilities = {
    ...capabilitySets({
      defaults: defaults.defaultCapabilities,
      add: input.security.addCapabilities,
      drop: input.security.dropCapabilities,
      mode: isPrivileged(draft) ? "privileged" : "normal",
      inheritable: defaults.addInheritableCapabilities ? "same" : "empty",
    }),
  };
}
