import type { SecurityContext, SpecSelinux } from "../oci/mod.ts";
import {
  type ContainerLabels,
  containerLabels,
  freeLevel,
  initLabel,
  needsLevel,
  parseLabel,
  podLabels,
  relabel,
  type SelinuxPolicy,
  SUPER_PRIVILEGED_TYPE,
} from "../security/mod.ts";
import type { PodContext } from "./context.ts";
import type { SandboxParts } from "./sandbox.ts";
import type { StringMap } from "./types.ts";

/** SELinux on this host, as configured. */
export interface PodSelinux {
  readonly policy: SelinuxPolicy;
  /** What processes in the host's network namespace are (`hostnetwork_disable_selinux`). */
  readonly hostNetwork: "confined" | "unconfined";
}

interface Settings {
  readonly options: { readonly selinux: PodSelinux | undefined };
}

const SKIP_ANNOTATIONS = [
  "try-skip-volume-selinux-label.crio.io",
  "io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel",
] as const;
const NO_LABELS: ContainerLabels = { process: "", mount: "" };

/** Whether a level has to be found for such a pod that no other has. */
export function seeksLevel({ options }: Settings, { selinux: asked }: SecurityContext): boolean {
  return options.selinux !== undefined && needsLevel(options.selinux.policy, asked);
}

/**
 * The labels of a new pod. All that a container of the store is labelled with counts as taken, so
 * that no other state is needed; whoever {@linkcode seeksLevel} must not do so at the same time as
 * another.
 *
 * @throws {CridError} `invalid_argument` when the host's policy has no such label.
 */
export async function newPodLabels(
  context: Settings & Pick<PodContext, "store">,
  security: SecurityContext,
): Promise<ContainerLabels | undefined> {
  const policy = context.options.selinux?.policy;
  if (policy === undefined) return undefined;
  const level = seeksLevel(context, security) ? freeLevel(await labelsInUse(context)) : "";
  return podLabels(policy, security.selinux, level);
}

/** Of other users of the store as well. */
async function labelsInUse({ store }: Pick<PodContext, "store">): Promise<string[]> {
  const records = await store.containers();
  return records.flatMap(({ labels }) => labels === undefined ? [] : Object.values(labels));
}

/**
 * The labels of a new container; none in a pod that was made without.
 *
 * @throws {CridError} `invalid_argument` when the host's policy has no such label.
 */
export function newContainerLabels(
  { options }: Settings,
  pod: Pick<SandboxParts, "labels">,
  security: SecurityContext,
): ContainerLabels | undefined {
  if (options.selinux === undefined || pod.labels === undefined) return undefined;
  return containerLabels(options.selinux.policy, pod.labels, security.selinux);
}

/** What a spec says of labels, for the infra container of a pod, or one of its containers. */
export function specSelinux(
  { options }: Settings,
  labels: ContainerLabels | undefined,
  security: SecurityContext,
  podAnnotations: StringMap,
): SpecSelinux | undefined {
  if (options.selinux === undefined || labels === undefined) return undefined;
  const { policy } = options.selinux;
  const { process, mount } = applied(labels, security, options.selinux);
  return {
    policy,
    process,
    init: initLabel(policy, process, security.selinux),
    mount,
    relabel: relabelling(labels, podAnnotations),
  };
}

/**
 * What uses the host's processes or memory cannot be kept apart from them. Without a label it runs
 * as the policy says of what runtimes start, `spc_t` in the common ones.
 */
function applied(
  labels: ContainerLabels,
  { privileged, namespaces }: SecurityContext,
  { hostNetwork }: PodSelinux,
): ContainerLabels {
  if (namespaces.pid === "node" || namespaces.ipc === "node") return NO_LABELS;
  const unconfined = namespaces.network === "node" && hostNetwork === "unconfined";
  return privileged || unconfined ? { ...labels, process: "" } : labels;
}

function relabelling(labels: ContainerLabels, annotations: StringMap): SpecSelinux["relabel"] {
  if (parseLabel(labels.process).type === SUPER_PRIVILEGED_TYPE) return "never";
  return SKIP_ANNOTATIONS.some((key) => annotations[key] === "true") ? "unless labelled" : "always";
}

/** Labels files that crid has made for a whole pod. */
export async function labelPodFiles(
  selinux: SpecSelinux | undefined,
  paths: readonly string[],
): Promise<void> {
  if (selinux === undefined || selinux.mount === "") return;
  for (const path of paths) await relabel(path, selinux.mount);
}

/** Lets the containers of every pod read a file or a directory. */
export async function labelShared({ options }: Settings, path: string): Promise<void> {
  if (options.selinux !== undefined) await relabel(path, options.selinux.policy.readOnlyFile);
}
