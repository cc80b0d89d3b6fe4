import type { RuntimeServiceServer } from "../../gen/runtime/v1/api.ts";
import { writeDescriptor, writePodMetrics } from "../convert/metrics.ts";
import type { Handlers } from "../grpc/handlers.ts";
import type { MetricsProvider } from "../types.ts";
import { chunks } from "./chunks.ts";
import { unimplemented } from "./unimplemented.ts";

type MetricsRpc = "listMetricDescriptors" | "listPodSandboxMetrics" | "streamPodSandboxMetrics";

export function metricsHandlers(
  metrics: MetricsProvider | undefined,
): Pick<Handlers<RuntimeServiceServer>, MetricsRpc> {
  const provider = (rpc: string): MetricsProvider => {
    if (metrics === undefined) {
      throw unimplemented(rpc, "this version of crid has no metrics of pods; use the stats calls");
    }
    return metrics;
  };
  return {
    listMetricDescriptors: () => ({
      descriptors: provider("ListMetricDescriptors").descriptors().map(writeDescriptor),
    }),

    listPodSandboxMetrics: async () => {
      const pods = await provider("ListPodSandboxMetrics").metrics();
      return { podMetrics: pods.map(writePodMetrics) };
    },

    streamPodSandboxMetrics: () =>
      chunks(provider("StreamPodSandboxMetrics").metrics(), (pods) => ({
        podSandboxMetrics: pods.map(writePodMetrics),
      })),
  };
}
