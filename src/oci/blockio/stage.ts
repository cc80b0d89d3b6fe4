import { log } from "../../observe/mod.ts";
import { CONTAINER_NAME } from "../spec/annotations.ts";
import type { SpecDraft } from "../spec/draft.ts";

/** On a container. */
const OWN = "io.kubernetes.cri.blockio-class";
/** On a pod: for all of its containers, or for one. */
const POD = "blockio.resources.beta.kubernetes.io/pod";
const CONTAINER = "blockio.resources.beta.kubernetes.io/container.";

/** The limits of the block I/O class that annotations name. One that is unknown is no error. */
export function blockioStage({ input, defaults, spec }: SpecDraft): void {
  if (defaults.blockio === undefined || input.role === "infra") return;
  const { annotations } = input;
  const name = input.ownAnnotations?.[OWN] ??
    annotations[CONTAINER + (annotations[CONTAINER_NAME] ?? "")] ?? annotations[POD];
  if (!name) return;
  const limits = defaults.blockio.limits(name);
  if (limits === undefined) log.warn(`container ${input.id}: there is no blockio class ${name}`);
  else spec.linux.resources = { ...spec.linux.resources, blockIO: limits };
}
