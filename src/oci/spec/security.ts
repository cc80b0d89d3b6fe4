import {
  apparmorProfile,
  maskedPaths,
  mergeSelinuxLabel,
  seccompFilter,
  selinuxEnabled,
} from "../../security/mod.ts";
import { readKernelFile } from "../../linux/mod.ts";
import { isPrivileged, type SpecDraft } from "./draft.ts";

/** What containers run as where SELinux is on and nobody asks for another. */
const BASE_LABEL = "system_u:system_r:container_t:s0";

/** seccomp, AppArmor, SELinux, no_new_privs, masked and read-only paths. */
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
  if (defaults.selinux && selinuxEnabled() && security.selinux !== undefined) {
    spec.process.selinuxLabel = mergeSelinuxLabel(BASE_LABEL, security.selinux);
  }
  const masked = maskedPaths(security.maskedPaths);
  if (masked.length > 0) spec.linux.maskedPaths = masked;
  if (security.readonlyPaths.length > 0) spec.linux.readonlyPaths = [...security.readonlyPaths];
}
