import type { Pods } from "../../pod/mod.ts";
import type { RuntimeServiceServer } from "../../gen/runtime/v1/api.ts";
import {
  readContainerStatsFilter,
  readSandboxStatsFilter,
  writeContainerStats,
  writeSandboxStats,
} from "../convert/stats.ts";
import type { Handlers } from "../grpc/handlers.ts";
import { chunks } from "./chunks.ts";
import { now } from "./clock.ts";
import { unimplemented } from "./unimplemented.ts";

type StatsRpc =
  | "containerStats"
  | "listContainerStats"
  | "streamContainerStats"
  | "podSandboxStats"
  | "listPodSandboxStats"
  | "streamPodSandboxStats"
  | "listMetricDescriptors"
  | "listPodSandboxMetrics"
  | "streamPodSandboxMetrics";

export function statsHandlers(pods: Pods): Pick<Handlers<RuntimeServiceServer>, StatsRpc> {
  const noMetrics = (rpc: string) =>
    unimplemented(rpc, "this version of crid has no metrics of pods; use the stats calls");
  return {
    containerStats: async ({ containerId }) => ({
      stats: writeContainerStats(await pods.containerStats(containerId)),
    }),

    listContainerStats: async ({ filter }) => {
      const entries = await pods.listContainerStats(readContainerStatsFilter(filter));
      return { stats: entries.map(writeContainerStats) };
    },

    streamContainerStats: ({ filter }) =>
      chunks(pods.listContainerStats(readContainerStatsFilter(filter)), (entries) => ({
        containerStats: entries.map(writeContainerStats),
      })),

    podSandboxStats: async ({ podSandboxId }) => ({
      stats: writeSandboxStats(await pods.sandboxStats(podSandboxId), now()),
    }),

    listPodSandboxStats: async ({ filter }) => {
      const entries = await pods.listSandboxStats(readSandboxStatsFilter(filter));
      const timestamp = now();
      return { stats: entries.map((entry) => writeSandboxStats(entry, timestamp)) };
    },

    streamPodSandboxStats: ({ filter }) =>
      chunks(pods.listSandboxStats(readSandboxStatsFilter(filter)), (entries) => {
        const timestamp = now();
        return { podSandboxStats: entries.map((entry) => writeSandboxStats(entry, timestamp)) };
      }),

    listMetricDescriptors: () => {
      throw noMetrics("ListMetricDescriptors");
    },

    listPodSandboxMetrics: () => {
      throw noMetrics("ListPodSandboxMetrics");
    },

    streamPodSandboxMetrics: () => {
      throw noMetrics("StreamPodSandboxMetrics");
    },
  };
}
