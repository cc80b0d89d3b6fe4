/**
 * What confines a container, without knowing what a container is: capabilities, seccomp filters,
 * AppArmor and SELinux labels, users of an image, id maps, masked paths.
 *
 * @module
 */

export {
  type CapabilityRequest,
  type CapabilitySets,
  capabilitySets,
  heldCapabilities,
} from "./capabilities.ts";
export { type Account, type Group, readAccounts, readGroups, readTable } from "./accounts.ts";
export { type ResolvedUser, resolveUser, type UserRequest } from "./user.ts";
export { DEFAULT_MASKED_PATHS, maskedPaths } from "./paths.ts";
export { hasIdMaps, hostId, type SpecIdMap, specIdMaps } from "./id_maps.ts";
export {
  apparmorEnabled,
  type ApparmorPlaces,
  apparmorProfile,
  type ApparmorRequest,
  loadedProfiles,
} from "./apparmor.ts";
export { DEFAULT_APPARMOR_PROFILE, defaultApparmorText } from "./apparmor_default.ts";
export {
  type ContainerLabels,
  containerLabels,
  initLabel,
  needsLevel,
  podLabels,
  type SelinuxOptions,
  SUPER_PRIVILEGED_TYPE,
} from "./selinux/container_labels.ts";
export { parseLabel } from "./selinux/label.ts";
export { freeLevel } from "./selinux/levels.ts";
export {
  isKnownLabel,
  loadSelinuxPolicy,
  selinuxEnabled,
  type SelinuxPlaces,
  type SelinuxPolicy,
} from "./selinux/policy.ts";
export { fileLabel, relabel, relabelUnlessLabelled } from "./selinux/relabel.ts";
export { defaultSeccompProfile, MACHINE } from "./seccomp/default_profile.ts";
export {
  loadSeccompProfile,
  parseSeccompProfile,
  type ProfileConditions,
} from "./seccomp/profile_file.ts";
export {
  type SeccompDefaults,
  seccompEnabled,
  seccompFilter,
  type SeccompRequest,
} from "./seccomp/choose.ts";
export type { LinuxSeccomp, SeccompArg, SeccompSyscall } from "./seccomp/types.ts";
