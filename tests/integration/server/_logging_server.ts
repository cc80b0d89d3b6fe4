/** Serves a few calls with the log at the level of the first argument. */
import { Logger, parseLevel } from "../../../src/observe/mod.ts";
import { RuntimeServiceClient } from "../../../src/gen/runtime/v1/api.ts";
import { credentials } from "@grpc/grpc-js";
import { POD, served } from "./served.ts";

Logger.configure({ level: parseLevel(Deno.args[0]!) });
await using crid = await served();
const { runtime, image } = crid.client;
await runtime.runPodSandbox({
  config: {
    metadata: { ...POD.metadata, name: "podsandbox1-redis" },
    annotations: { "example.com/token": "hunter2" },
  },
});
await runtime.listContainers();
await runtime.containerStatus({ containerId: "nope" }).catch(() => {});
await image.pullImage({
  image: { image: "registry.example/app" },
  auth: { username: "bob", password: "hunter2", serverAddress: "registry.example" },
});
const client = new RuntimeServiceClient(`unix:${crid.socketPath}`, credentials.createInsecure());
await Array.fromAsync(client.getContainerEvents({}));
client.close();
