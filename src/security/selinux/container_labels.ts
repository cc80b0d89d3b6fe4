import { checkParts, formatLabel, type LabelParts, mergeParts, parseLabel } from "./label.ts";
import { canonicalLabel, type SelinuxPolicy } from "./policy.ts";

/** What a client asks of a label; `""` leaves a part to the runtime. */
export type SelinuxOptions = LabelParts;

/** The labels of a pod or a container. */
export interface ContainerLabels {
  readonly process: string;
  /** Of its root file system, and of what is mounted and made for it. */
  readonly mount: string;
}

/** What a container is allowed to do with everything; the policy's name for it on all hosts. */
export const SUPER_PRIVILEGED_TYPE = "spc_t";

/** Whether the level of such a pod has to be found: the policy has levels, and none was asked for. */
export function needsLevel(policy: SelinuxPolicy, asked: SelinuxOptions | undefined): boolean {
  return parseLabel(policy.process).level !== "" && !asked?.level;
}

/**
 * The labels of a pod.
 *
 * @param level Of a pod that asks for none, see {@linkcode needsLevel}.
 * @throws {CridError} `invalid_argument` when the host's policy has no such label.
 */
export function podLabels(
  policy: SelinuxPolicy,
  asked: SelinuxOptions | undefined,
  level: string,
): ContainerLabels {
  const base = { ...parseLabel(policy.process), level };
  return labelsOf(policy, asked === undefined ? base : merged(base, asked));
}

/**
 * The labels of a container: its pod's, but for what it asks for itself. Those of one level can use
 * each other's files.
 *
 * @throws {CridError} `invalid_argument` when the host's policy has no such label.
 */
export function containerLabels(
  policy: SelinuxPolicy,
  pod: ContainerLabels,
  asked: SelinuxOptions | undefined,
): ContainerLabels {
  if (asked === undefined) return pod;
  return labelsOf(policy, merged(parseLabel(pod.process), asked));
}

/** The label of a container that runs systemd, unless another type was asked for it or its pod. */
export function initLabel(
  policy: SelinuxPolicy,
  process: string,
  asked: SelinuxOptions | undefined,
): string {
  const parts = parseLabel(process);
  const other = asked?.type || parts.type !== parseLabel(policy.process).type;
  return other ? process : formatLabel({ ...parts, type: parseLabel(policy.init).type });
}

function merged(base: LabelParts, asked: SelinuxOptions): LabelParts {
  checkParts(asked);
  return mergeParts(base, asked);
}

/** Files have a role and a type of their own; user and level are the process's. */
function labelsOf(policy: SelinuxPolicy, parts: LabelParts): ContainerLabels {
  const file = parseLabel(policy.file);
  const labels = {
    process: formatLabel(parts),
    mount: formatLabel({ ...file, user: parts.user, level: parts.level }),
  };
  for (const label of Object.values(labels)) canonicalLabel(policy, label);
  return labels;
}
