import type { RuntimeHandler, RuntimeServiceServer } from "../../gen/runtime/v1/api.ts";
import type { HandlerView } from "../../pod/mod.ts";
import { cgroupDriver } from "../convert/enums.ts";
import type { Handlers } from "../grpc/handlers.ts";
import type { CriServerOptions } from "../types.ts";
import { verboseConfig } from "./verbose_config.ts";

/** Version of the kubelet's runtime API that clients compare with. */
const KUBELET_API_VERSION = "0.1.0";
const CRI_VERSION = "v1";

type StatusRpc = "version" | "status" | "runtimeConfig" | "updateRuntimeConfig";

export function statusHandlers(
  options: CriServerOptions,
): Pick<Handlers<RuntimeServiceServer>, StatusRpc> {
  const { pods, runtime, features, config } = options;
  return {
    version: () => ({
      version: KUBELET_API_VERSION,
      runtimeName: runtime.name,
      runtimeVersion: runtime.version,
      runtimeApiVersion: CRI_VERSION,
    }),

    status: async ({ verbose }) => {
      const info: Record<string, string> = verbose ? { config: verboseConfig(config()) } : {};
      return {
        status: { conditions: await pods.conditions() },
        info,
        runtimeHandlers: pods.handlers().map(toRuntimeHandler),
        features,
      };
    },

    runtimeConfig: () => ({
      linux: { cgroupDriver: cgroupDriver.write(pods.cgroupDriver) },
    }),

    updateRuntimeConfig: ({ runtimeConfig }) => {
      pods.updateRuntimeConfig(runtimeConfig?.networkConfig?.podCidr ?? "");
      return {};
    },
  };
}

function toRuntimeHandler(handler: HandlerView): RuntimeHandler {
  return {
    name: handler.name,
    features: {
      recursiveReadOnlyMounts: handler.recursiveReadonlyMounts,
      userNamespaces: handler.userNamespaces,
    },
  };
}
