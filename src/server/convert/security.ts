import { CridError } from "../../failure/mod.ts";
import type { SecurityContext, SecurityProfile } from "../../oci/mod.ts";
import type {
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  SecurityProfile as WireProfile,
} from "../../gen/runtime/v1/api.ts";
import { groupsPolicy, profileKind } from "./enums.ts";
import { readNamespaces } from "./namespaces.ts";
import { toId } from "./numbers.ts";
import { readName, readPath } from "./text.ts";

/** A pod's security context; a request without one is the same as one with an empty message. */
export function readSandboxSecurity(
  context: LinuxSandboxSecurityContext | undefined,
): SecurityContext {
  return {
    ...identity(context),
    privileged: context?.privileged ?? false,
    namespaces: readNamespaces(context?.namespaceOptions),
    addCapabilities: [],
    dropCapabilities: [],
    runAsUsername: "",
    readonlyRootfs: context?.readonlyRootfs ?? false,
    noNewPrivs: false,
    maskedPaths: [],
    readonlyPaths: [],
    seccomp: readSeccomp(context?.seccomp, context?.seccompProfilePath ?? ""),
    apparmor: readProfile(context?.apparmor, "AppArmor"),
    selinux: context?.selinuxOptions,
  };
}

/** A container's security context, `undefined` when the request has none. */
export function readContainerSecurity(
  context: LinuxContainerSecurityContext | undefined,
): SecurityContext | undefined {
  if (context === undefined) return undefined;
  if (context.runAsUser !== undefined && context.runAsUsername !== "") {
    throw new CridError("invalid_argument", "run_as_user and run_as_username exclude each other");
  }
  return {
    ...identity(context),
    privileged: context.privileged,
    namespaces: readNamespaces(context.namespaceOptions),
    addCapabilities: context.capabilities?.addCapabilities ?? [],
    dropCapabilities: context.capabilities?.dropCapabilities ?? [],
    runAsUsername: context.runAsUsername && readName(context.runAsUsername, "run_as_username"),
    readonlyRootfs: context.readonlyRootfs,
    noNewPrivs: context.noNewPrivs,
    maskedPaths: context.maskedPaths.map((path) => readPath(path, "masked path")),
    readonlyPaths: context.readonlyPaths.map((path) => readPath(path, "read-only path")),
    seccomp: readSeccomp(context.seccomp, context.seccompProfilePath),
    apparmor: readProfile(context.apparmor, "AppArmor") ??
      readProfilePath(context.apparmorProfile, "AppArmor"),
    selinux: context.selinuxOptions,
  };
}

type Identity =
  | Pick<LinuxSandboxSecurityContext, IdentityField>
  | Pick<LinuxContainerSecurityContext, IdentityField>
  | undefined;
type IdentityField =
  | "runAsUser"
  | "runAsGroup"
  | "supplementalGroups"
  | "supplementalGroupsPolicy";

/** The ids that both kinds of context have. */
function identity(
  context: Identity,
): Pick<SecurityContext, IdentityField> {
  return {
    runAsUser: context?.runAsUser && toId(context.runAsUser.value, "run_as_user"),
    runAsGroup: context?.runAsGroup && toId(context.runAsGroup.value, "run_as_group"),
    supplementalGroups: (context?.supplementalGroups ?? [])
      .map((group) => toId(group, "supplemental group")),
    supplementalGroupsPolicy: groupsPolicy.read(context?.supplementalGroupsPolicy ?? 0),
  };
}

function readSeccomp(
  profile: WireProfile | undefined,
  deprecatedPath: string,
): SecurityProfile | undefined {
  return readProfile(profile, "seccomp") ?? readProfilePath(deprecatedPath, "seccomp");
}

function readProfile(
  profile: WireProfile | undefined,
  what: string,
): SecurityProfile | undefined {
  if (profile === undefined) return undefined;
  const kind = profileKind.read(profile.profileType);
  if (kind === "localhost" && profile.localhostRef === "") {
    throw new CridError("invalid_argument", `${what} profile: localhost_ref is missing`);
  }
  const localhostRef = readPath(profile.localhostRef, `${what} profile: localhost_ref`);
  return { kind, localhostRef: kind === "localhost" ? localhostRef : "" };
}

/** The words of the fields that the messages above have replaced; kubelets before 1.19 send them. */
function readProfilePath(path: string, what: string): SecurityProfile | undefined {
  if (path === "") return undefined;
  if (path === "unconfined") return { kind: "unconfined", localhostRef: "" };
  if (path === "runtime/default" || path === "docker/default") {
    return { kind: "runtime_default", localhostRef: "" };
  }
  if (path.startsWith("localhost/")) {
    const localhostRef = readPath(path.slice("localhost/".length), `${what} profile`);
    return { kind: "localhost", localhostRef };
  }
  throw new CridError("invalid_argument", `${what} profile: unknown form "${path}"`);
}
