import { CridError } from "../failure/mod.ts";
import { readKernelFile } from "../linux/mod.ts";
import { DEFAULT_APPARMOR_PROFILE, loadDefaultApparmorProfile } from "./apparmor_default.ts";

/** What a client asks for. */
export interface ApparmorRequest {
  readonly kind: "runtime_default" | "unconfined" | "localhost";
  readonly localhostRef: string;
}

/** Where the kernel tells of AppArmor; tests give their own. */
export interface ApparmorPlaces {
  /** Default `/sys/module/apparmor/parameters/enabled`. */
  readonly enabled?: string;
  /** Default `/sys/kernel/security/apparmor/profiles`. */
  readonly profiles?: string;
}

const ENABLED = "/sys/module/apparmor/parameters/enabled";
const PROFILES = "/sys/kernel/security/apparmor/profiles";

/** Whether the kernel has AppArmor and it is on. */
export function apparmorEnabled(places: ApparmorPlaces = {}): boolean {
  return readKernelFile(places.enabled ?? ENABLED)?.startsWith("Y") ?? false;
}

/**
 * The name of the AppArmor profile a container runs under; `undefined` means none is set, because
 * the kernel has no AppArmor, as CRI-O does it too.
 *
 * @param fallback The configured default profile, `crio-default`.
 * @throws {CridError} `invalid_argument` for a localhost profile without a name, or not loaded.
 */
export async function apparmorProfile(
  request: ApparmorRequest | undefined,
  fallback: string,
  places: ApparmorPlaces = {},
): Promise<string | undefined> {
  if (!apparmorEnabled(places)) return undefined;
  if (request?.kind === "unconfined") return "unconfined";
  // Some clients write the prefix of the deprecated field here, too; CRI-O takes both.
  const name = request?.kind === "localhost"
    ? request.localhostRef.replace(/^localhost\//, "")
    : fallback;
  if (name === "") {
    throw new CridError("invalid_argument", "AppArmor: the localhost profile has no name");
  }
  if (name === "unconfined" || loadedProfiles(places).has(name)) return name;
  // On demand, and again when somebody has unloaded it.
  if (name === DEFAULT_APPARMOR_PROFILE) await loadDefaultApparmorProfile(name);
  else {
    throw new CridError(
      "invalid_argument",
      `AppArmor profile "${name}" is not loaded; load it with apparmor_parser`,
    );
  }
  return name;
}

/** The names of the profiles in the kernel. */
export function loadedProfiles(places: ApparmorPlaces = {}): ReadonlySet<string> {
  const text = readKernelFile(places.profiles ?? PROFILES) ?? "";
  // A line is `name (mode)`; a name may hold spaces.
  return new Set(text.split("\n").map((line) => line.replace(/ \([a-z]+\)$/, "")));
}
