import { CridError } from "../../failure/mod.ts";
import { type AnnotationNames, CONTAINER_NAME, containerAnnotation } from "./annotations.ts";
import type { SpecDraft } from "./draft.ts";

/** Seccomp profiles that are artifacts of a registry, for a container or all of its pod. */
const PROFILES: readonly AnnotationNames[] = [
  ["seccomp-profile.crio.io", "seccomp-profile.kubernetes.cri-o.io"],
  ["seccomp-profile.crio.io/POD", "seccomp-profile.kubernetes.cri-o.io/POD"],
];

/** CRI-O's annotations that this version does not obey: a container would be less than it asks for. */
const NOT_BUILT: readonly AnnotationNames[] = [
  ...PROFILES,
  ["seccomp-notifier-action.crio.io", "io.kubernetes.cri-o.seccompNotifierAction"],
];

/** Of Intel RDT: on a container; on a pod for all of its containers, or for one. */
const RDT_OWN = "io.kubernetes.cri.rdt-class";
const RDT_POD = "rdt.resources.beta.kubernetes.io/pod";
const RDT_CONTAINER = "rdt.resources.beta.kubernetes.io/container.";

/**
 * What a handler allows and crid does not have.
 *
 * @throws {CridError} `unimplemented`; for RDT `failed_precondition`, as CRI-O where it is off.
 */
export function refusedAnnotationsStage({ input }: SpecDraft): void {
  const { annotations, ownAnnotations, imageAnnotations = {}, id, security } = input;
  if (input.role === "infra") return;
  const name = annotations[CONTAINER_NAME] ?? "";
  const ofImage = { ...imageAnnotations, [CONTAINER_NAME]: name };
  // An image's profile is for containers for which nobody has asked for another one.
  const isOpen = security?.seccomp === undefined || security.seccomp.kind === "unconfined";
  const refused =
    NOT_BUILT.find((names) => containerAnnotation(annotations, names) !== undefined) ??
      (isOpen
        ? PROFILES.find((names) => containerAnnotation(ofImage, names) !== undefined)
        : undefined);
  if (refused !== undefined) {
    throw new CridError(
      "unimplemented",
      `annotation ${refused[0]}: this version of crid does not have it; leave it out`,
    );
  }
  const rdtClass = ownAnnotations?.[RDT_OWN] ??
    annotations[RDT_CONTAINER + name] ?? annotations[RDT_POD];
  if (!rdtClass) return;
  throw new CridError(
    "failed_precondition",
    `RDT disabled, refusing to set RDT class of container ${JSON.stringify(id)} to ` +
      `${JSON.stringify(rdtClass)}: this version of crid has no RDT`,
  );
}
