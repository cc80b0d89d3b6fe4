import type { RuntimeServiceServer } from "../../gen/runtime/v1/api.ts";
import type { Handlers } from "../grpc/handlers.ts";
import type { CriServerOptions } from "../types.ts";
import { containerHandlers } from "./containers.ts";
import { eventHandlers } from "./events.ts";
import { metricsHandlers } from "./metrics.ts";
import { sandboxHandlers } from "./sandboxes.ts";
import { statsHandlers } from "./stats.ts";
import { statusHandlers } from "./status.ts";
import { streamHandlers } from "./streams.ts";

/** The whole RuntimeService, put together from one file for each subject. */
export function runtimeService(options: CriServerOptions): Handlers<RuntimeServiceServer> {
  const { pods, streams, metrics, config } = options;
  const sendsEvents = () => config().runtime.enable_pod_events;
  return {
    ...statusHandlers(options),
    ...sandboxHandlers(pods, sendsEvents),
    ...containerHandlers(pods),
    ...statsHandlers(pods),
    ...metricsHandlers(metrics),
    ...eventHandlers(pods, sendsEvents),
    ...streamHandlers(streams),
  };
}
