import { apparmorProfile, maskedPaths, seccompFilter } from "../../security/mod.ts";
import { readKernelFile } from "../../linux/mod.ts";
import { isPrivileged, type SpecDraft } from "./draft.ts";

/** seccomp, AppArmor, no_new_privs, masked and read-only paths. */
export async function securityStage(draft: SpecDraft): Promise<void> {
  const { input, defaults, handler, spec } = draft;
  const { security } = input;
  spec.process.noNewPrivileges = security.noNewPrivs;
  const seccomp = seccompFilter(
    security.seccomp,
    isPrivileged(draft) ? "privileged" : "normal",
    {
      handlerProfile: handler.seccompProfile,
      profile: defaults.seccompProfile,
      privilegedProfile: defaults.privilegedSeccompProfile,
    },
    {
      capabilities: new Set(spec.process.capabilities?.bounding),
      kernel: readKernelFile("/proc/sys/kernel/osrelease") ?? "",
    },
  );
  if (seccomp !== undefined) spec.linux.seccomp = seccomp;
  if (isPrivileged(draft)) return;

  const profile = await apparmorProfile(security.apparmor, defaults.apparmorProfile);
  if (profile !== undefined) spec.process.apparmorProfile = profile;
  const masked = maskedPaths(security.maskedPaths);
  if (masked.length > 0) spec.linux.maskedPaths = masked;
  if (security.readonlyPaths.length > 0) spec.linux.readonlyPaths = [...security.readonlyPaths];
}
