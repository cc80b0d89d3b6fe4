import { CridError } from "../../failure/mod.ts";
import type { Pods } from "../../pod/mod.ts";
import type { RuntimeServiceServer } from "../../gen/runtime/v1/api.ts";
import {
  readContainerConfig,
  readContainerFilter,
  writeContainer,
  writeContainerStatus,
} from "../convert/container.ts";
import { toSeconds } from "../convert/numbers.ts";
import { readResources } from "../convert/resources.ts";
import { readCommand } from "../convert/text.ts";
import type { Handlers } from "../grpc/handlers.ts";
import { chunks } from "./chunks.ts";
import { unimplemented } from "./unimplemented.ts";

type ContainerRpc =
  | "createContainer"
  | "startContainer"
  | "stopContainer"
  | "removeContainer"
  | "listContainers"
  | "streamContainers"
  | "containerStatus"
  | "updateContainerResources"
  | "reopenContainerLog"
  | "execSync"
  | "checkpointContainer";

export function containerHandlers(
  pods: Pods,
): Pick<Handlers<RuntimeServiceServer>, ContainerRpc> {
  return {
    createContainer: async ({ podSandboxId, config }, { signal }) => ({
      containerId: await pods.createContainer(podSandboxId, readContainerConfig(config), signal),
    }),

    startContainer: async ({ containerId }) => {
      await pods.startContainer(containerId);
      return {};
    },

    stopContainer: async ({ containerId, timeout }) => {
      await pods.stopContainer(containerId, toSeconds(timeout));
      return {};
    },

    removeContainer: async ({ containerId }) => {
      await pods.removeContainer(containerId);
      return {};
    },

    listContainers: ({ filter }) => ({
      containers: pods.containers(readContainerFilter(filter)).map(writeContainer),
    }),

    streamContainers: ({ filter }) =>
      chunks(pods.containers(readContainerFilter(filter)), (containers) => ({
        containers: containers.map(writeContainer),
      })),

    containerStatus: async ({ containerId, verbose }) => {
      const status = await pods.containerStatus(containerId);
      return { status: writeContainerStatus(status), info: verbose ? status.info : {} };
    },

    updateContainerResources: async ({ containerId, linux }) => {
      const resources = readResources(linux);
      if (resources === undefined) {
        throw new CridError("invalid_argument", "the resources for Linux are missing");
      }
      await pods.updateContainerResources(containerId, resources);
      return {};
    },

    reopenContainerLog: async ({ containerId }) => {
      await pods.reopenContainerLog(containerId);
      return {};
    },

    execSync: async ({ containerId, cmd, timeout }, { signal }) => {
      return await pods.execSync(containerId, readCommand(cmd), toSeconds(timeout), signal);
    },

    checkpointContainer: () => {
      throw unimplemented("CheckpointContainer", "this version of crid makes no checkpoints");
    },
  };
}
