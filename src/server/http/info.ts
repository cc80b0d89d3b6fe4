import type { Config } from "../../config/mod.ts";

interface IdMapping {
  readonly container_id: number;
  readonly host_id: number;
  readonly size: number;
}

/** What `GET /info` answers; cAdvisor finds the images' file system by it. */
export interface Info {
  readonly storage_driver: string;
  readonly storage_image: string;
  readonly storage_root: string;
  readonly cgroup_driver: string;
  readonly default_id_mappings: {
    readonly uids: readonly IdMapping[];
    readonly gids: readonly IdMapping[];
  };
}

/** Every id as it is: the mapping of a host without user namespaces. */
const IDENTITY: IdMapping = { container_id: 0, host_id: 0, size: 2 ** 32 - 1 };

export function info(config: Config, cgroupDriver: string): Info {
  const { crio, runtime } = config;
  return {
    storage_driver: crio.storage_driver,
    storage_image: crio.imagestore,
    storage_root: crio.root,
    cgroup_driver: cgroupDriver,
    default_id_mappings: {
      uids: idMappings(runtime.uid_mappings),
      gids: idMappings(runtime.gid_mappings),
    },
  };
}

/** `container:host:size`, several with commas between. */
function idMappings(text: string): readonly IdMapping[] {
  if (text === "") return [IDENTITY];
  return text.split(",").map((mapping) => {
    const [container = 0, host = 0, size = 0] = mapping.split(":").map(Number);
    return { container_id: container, host_id: host, size };
  });
}
