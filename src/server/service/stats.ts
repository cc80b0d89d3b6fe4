import { now } from "../../observe/mod.ts";
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

type StatsRpc =
  | "containerStats"
  | "listContainerStats"
  | "streamContainerStats"
  | "podSandboxStats"
  | "listPodSandboxStats"
  | "streamPodSandboxStats";

export function statsHandlers(pods: Pods): Pick<Handlers<RuntimeServiceServer>, StatsRpc> {
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
  };
}
