import { CridError } from "../../failure/mod.ts";
import { kernelFileExists } from "../../linux/mod.ts";
import { defaultSeccompProfile } from "./default_profile.ts";
import { loadSeccompProfile, type ProfileConditions } from "./profile_file.ts";
import type { LinuxSeccomp } from "./types.ts";

/** What a client asks for. */
export interface SeccompRequest {
  readonly kind: "runtime_default" | "unconfined" | "localhost";
  readonly localhostRef: string;
}

/** What the configuration says. Paths of profile files, `""` for none. */
export interface SeccompDefaults {
  /** The handler's own RuntimeDefault. */
  readonly handlerProfile: string;
  /** `seccomp_profile`. */
  readonly profile: string;
  /** `privileged_seccomp_profile`. */
  readonly privilegedProfile: string;
}

/** Whether the kernel has seccomp filters. */
export function seccompEnabled(): boolean {
  return kernelFileExists("/proc/sys/kernel/seccomp");
}

/**
 * The seccomp filter of a container; `undefined` for none. No request means unconfined; a
 * privileged container is unconfined unless the configuration has a profile for it.
 *
 * @throws {CridError} `invalid_argument` for a profile that cannot be used.
 */
export function seccompFilter(
  request: SeccompRequest | undefined,
  mode: "normal" | "privileged",
  defaults: SeccompDefaults,
  conditions: ProfileConditions,
): LinuxSeccomp | undefined {
  const load = (file: string) =>
    file === ""
      ? defaultSeccompProfile(conditions.capabilities, conditions.machine)
      : loadSeccompProfile(file, conditions);
  if (mode === "privileged") {
    return defaults.privilegedProfile === "" ? undefined : load(defaults.privilegedProfile);
  }
  if (request === undefined || request.kind === "unconfined") return undefined;
  if (!seccompEnabled()) {
    if (request.kind === "runtime_default") return undefined;
    throw new CridError("invalid_argument", "seccomp is not enabled in the kernel");
  }
  if (request.kind === "runtime_default") {
    return load(defaults.handlerProfile || defaults.profile);
  }
  if (request.localhostRef === "") {
    throw new CridError("invalid_argument", "seccomp: the localhost profile has no path");
  }
  return load(request.localhostRef);
}
