import { now } from "../../observe/mod.ts";
import type { Pods } from "../../pod/mod.ts";
import type { RuntimeServiceServer } from "../../gen/runtime/v1/api.ts";
import {
  readSandboxConfig,
  readSandboxFilter,
  writeSandbox,
  writeSandboxStatus,
} from "../convert/sandbox.ts";
import { readResources } from "../convert/resources.ts";
import { writeContainerStatus } from "../convert/container.ts";
import type { Handlers } from "../grpc/handlers.ts";
import { chunks } from "./chunks.ts";

type SandboxRpc =
  | "runPodSandbox"
  | "stopPodSandbox"
  | "removePodSandbox"
  | "podSandboxStatus"
  | "listPodSandbox"
  | "streamPodSandboxes"
  | "updatePodSandboxResources";

/** @param sendsEvents Whether pod events are on: then a status brings its containers along. */
export function sandboxHandlers(
  pods: Pods,
  sendsEvents: () => boolean,
): Pick<Handlers<RuntimeServiceServer>, SandboxRpc> {
  return {
    runPodSandbox: async ({ config, runtimeHandler }, { signal }) => ({
      podSandboxId: await pods.runSandbox(readSandboxConfig(config), runtimeHandler, signal),
    }),

    stopPodSandbox: async ({ podSandboxId }) => {
      await pods.stopSandbox(podSandboxId);
      return {};
    },

    removePodSandbox: async ({ podSandboxId }) => {
      await pods.removeSandbox(podSandboxId);
      return {};
    },

    podSandboxStatus: async ({ podSandboxId, verbose }) => {
      const timestamp = sendsEvents() ? now() : 0n;
      const status = await pods.sandboxStatus(podSandboxId);
      const containers = sendsEvents() ? pods.containers({ sandboxId: status.id }) : [];
      const statuses = await Promise.all(containers.map(({ id }) => pods.containerStatus(id)));
      return {
        status: writeSandboxStatus(status),
        info: verbose ? status.info : {},
        containersStatuses: statuses.map(writeContainerStatus),
        timestamp,
      };
    },

    listPodSandbox: ({ filter }) => ({
      items: pods.sandboxes(readSandboxFilter(filter)).map(writeSandbox),
    }),

    streamPodSandboxes: ({ filter }) =>
      chunks(pods.sandboxes(readSandboxFilter(filter)), (sandboxes) => ({
        podSandboxes: sandboxes.map(writeSandbox),
      })),

    updatePodSandboxResources: async ({ podSandboxId, overhead, resources }) => {
      const [forPod, forContainers] = [readResources(overhead), readResources(resources)];
      await pods.updateSandboxResources(podSandboxId, forPod, forContainers);
      return {};
    },
  };
}
