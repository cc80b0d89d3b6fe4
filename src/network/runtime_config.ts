import { CridError, errorMessage } from "../failure/mod.ts";
import type { Json, JsonObject } from "./json.ts";
import { parseQuantity } from "../config/mod.ts";
import type { NetworkPod, PortMapping } from "./types.ts";

/** The bandwidth plugin's upper limit is 4 GiB, in bits, exclusive: in effect no limit for a burst. */
const LARGEST_BURST = (2 ** 32 - 1) * 8 - 1;
/** Kubernetes takes bandwidths between these. */
const SMALLEST_RATE = 1e3;
const LARGEST_RATE = 1e15;

/**
 * What the pod gives to each capability; a plugin gets what it has declared
 * (CNI conventions, "Dynamic Plugin specific fields").
 *
 * @throws {CridError} `invalid_argument` for a bandwidth annotation that cannot be read.
 */
export function capabilityArguments(pod: NetworkPod): JsonObject {
  const hostPorts = pod.portMappings.filter(({ hostPort }) => hostPort > 0).map(portMapping);
  const all: Record<string, Json | undefined> = {
    portMappings: hostPorts.length === 0 ? undefined : hostPorts,
    bandwidth: bandwidth(pod.annotations),
    ips: pod.ips,
    mac: pod.mac,
    cgroupPath: pod.cgroupParent || undefined,
    "io.kubernetes.cri.pod-annotations": Object.keys(pod.annotations).length === 0
      ? undefined
      : pod.annotations,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}

/** The `CNI_ARGS` of every Kubernetes runtime, in CRI-O's order. */
export function kubernetesArguments(pod: NetworkPod): readonly (readonly [string, string])[] {
  const args = [
    ["IgnoreUnknown", "1"],
    ["K8S_POD_NAMESPACE", pod.namespace],
    ["K8S_POD_NAME", pod.name],
    ["K8S_POD_INFRA_CONTAINER_ID", pod.id],
    ["K8S_POD_UID", pod.uid],
  ] as const;
  for (const [name, value] of args) {
    if (!/[;\0]/.test(value)) continue;
    throw new CridError(
      "invalid_argument",
      `network of pod ${pod.id}: ${name} ${JSON.stringify(value)} cannot be told to CNI plugins`,
    );
  }
  return args;
}

function portMapping({ protocol, containerPort, hostPort, hostIp }: PortMapping): JsonObject {
  return { hostPort, containerPort, protocol, hostIP: hostIp };
}

function bandwidth(annotations: NetworkPod["annotations"]): JsonObject | undefined {
  const ingress = rate(annotations, "kubernetes.io/ingress-bandwidth");
  const egress = rate(annotations, "kubernetes.io/egress-bandwidth");
  if (ingress === undefined && egress === undefined) return undefined;
  return {
    ...(ingress === undefined ? {} : { ingressRate: ingress, ingressBurst: LARGEST_BURST }),
    ...(egress === undefined ? {} : { egressRate: egress, egressBurst: LARGEST_BURST }),
  };
}

/** Bits per second. */
function rate(annotations: NetworkPod["annotations"], name: string): number | undefined {
  const text = annotations[name];
  if (text === undefined) return undefined;
  try {
    const value = parseQuantity(text);
    if (value >= SMALLEST_RATE && value <= LARGEST_RATE) return value;
    throw new CridError("invalid_argument", `${text} is not between 1k and 1P bits per second`);
  } catch (error) {
    throw new CridError("invalid_argument", `annotation ${name}: ${errorMessage(error)}`);
  }
}
