import { isIP } from "node:net";
import { nameIn } from "../attachment.ts";
import type { CachedAttachment } from "../cache.ts";
import { hasCapability } from "../chain.ts";
import { type JsonObject, objectsOf, stringOf } from "../json.ts";
import { podNetworks } from "../result.ts";
import type { HostPort, PodHostPorts } from "./types.ts";

const ANY_ADDRESS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/**
 * The host ports that an attachment asks for and no plugin of its network maps, on the addresses that it
 * has got: for each family the first one. A host address is for its own family only.
 */
export function unmappedPorts(
  { attachment, config, result }: Pick<CachedAttachment, "attachment" | "config" | "result">,
): PodHostPorts {
  const { containerId: id, ifName, capabilities } = attachment;
  const isMapped = config === undefined || hasCapability(config, "portMappings");
  const networks = isMapped || result === undefined ? [] : podNetworks(result, ifName);
  const ports = objectsOf(capabilities, "portMappings").flatMap((mapping) =>
    ([4, 6] as const).flatMap((family): HostPort[] => {
      const pod = networks.find(({ address }) => isIP(address) === family);
      const hostIp = stringOf(mapping, "hostIP");
      const protocol = protocolOf(mapping);
      const { hostPort, containerPort } = mapping;
      if (pod === undefined || (hostIp !== "" && isIP(hostIp) !== family)) return [];
      if (protocol === undefined || !isPort(hostPort) || !isPort(containerPort)) return [];
      return [{
        protocol,
        family,
        hostIp: hostIp === "" || ANY_ADDRESS.has(hostIp) ? undefined : hostIp,
        hostPort,
        podIp: pod.address,
        prefix: pod.prefix,
        containerPort,
      }];
    })
  );
  return { id, name: nameIn(attachment), ports };
}

function protocolOf(mapping: JsonObject): HostPort["protocol"] | undefined {
  const protocol = stringOf(mapping, "protocol");
  return protocol === "tcp" || protocol === "udp" || protocol === "sctp" ? protocol : undefined;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
}
