import type { ContainerEvent, Pods } from "../../pod/mod.ts";
import type { ContainerEventResponse, RuntimeServiceServer } from "../../gen/runtime/v1/api.ts";
import { writeContainerStatus } from "../convert/container.ts";
import { eventType } from "../convert/enums.ts";
import { writeSandboxStatus } from "../convert/sandbox.ts";
import type { Handlers } from "../grpc/handlers.ts";

/** @param sendsEvents Whether pod events are on; else the stream ends at once, as CRI-O's does. */
export function eventHandlers(
  pods: Pods,
  sendsEvents: () => boolean,
): Pick<Handlers<RuntimeServiceServer>, "getContainerEvents"> {
  return {
    getContainerEvents: async function* (_request, { signal }) {
      if (!sendsEvents()) return;
      for await (const event of pods.events(signal)) yield writeEvent(event);
    },
  };
}

function writeEvent(event: ContainerEvent): ContainerEventResponse {
  return {
    containerId: event.containerId,
    containerEventType: eventType.write(event.type),
    createdAt: event.createdAt,
    podSandboxStatus: event.sandbox && writeSandboxStatus(event.sandbox),
    containersStatuses: event.containers.map(writeContainerStatus),
  };
}
