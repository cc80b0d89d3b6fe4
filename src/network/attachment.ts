import { CridError } from "../failure/mod.ts";
import { FsMagic, statfs } from "../linux/mod.ts";
import type { Attachment } from "./cache.ts";
import { NAME_RULE } from "./configuration.ts";
import type { JsonObject } from "./json.ts";
import { capabilityArguments, kubernetesArguments } from "./runtime_config.ts";
import type { NetworkPod } from "./types.ts";

/** The interface that plugins make in a pod. */
export const POD_INTERFACE = "eth0";

/** A pod as plugins are told of it. @throws {CridError} `invalid_argument` for an id that is none. */
export function attach(pod: NetworkPod, capabilities: JsonObject): Attachment {
  if (!NAME_RULE.test(pod.id)) {
    throw new CridError("invalid_argument", `network of pod ${JSON.stringify(pod.id)}: no CNI id`);
  }
  return {
    containerId: pod.id,
    ifName: POD_INTERFACE,
    netns: pod.netns,
    args: kubernetesArguments(pod),
    capabilities,
  };
}

/** An annotation that cannot be read has kept the pod from being added, not from being deleted. */
export function safeCapabilities(pod: NetworkPod): JsonObject {
  try {
    return capabilityArguments(pod);
  } catch {
    return {};
  }
}

/** The path while a namespace is pinned there, else `""`: plugins enter it without looking. */
export function livingNetns(path: string): string {
  if (path === "") return "";
  try {
    return statfs(path).type === FsMagic.NSFS ? path : "";
  } catch {
    return "";
  }
}

/** As CRI-O writes a pod into its log. */
export function fullName({ namespace, name }: Pick<NetworkPod, "namespace" | "name">): string {
  return `${namespace}_${name}`;
}

/** {@linkcode fullName} of an attachment, or its id when its arguments do not tell. */
export function nameIn({ args, containerId }: Attachment): string {
  const value = (wanted: string) => args.find(([name]) => name === wanted)?.[1] ?? "";
  const name = value("K8S_POD_NAME");
  return name === "" ? containerId : fullName({ namespace: value("K8S_POD_NAMESPACE"), name });
}
