import { credentials, type ServiceError } from "@grpc/grpc-js";
import { defaultConfig } from "../../../src/config/mod.ts";
import { ImageServiceClient, RuntimeServiceClient } from "../../../src/gen/runtime/v1/api.ts";
import { type CriServer, type CriServerOptions, serveCri } from "../../../src/server/mod.ts";
import { FakeImages, FakePods } from "./fake_domain.ts";

/** A server over the fake domain on a socket of its own, with a client for each service. */
export interface Served extends AsyncDisposable {
  readonly socketPath: string;
  readonly pods: FakePods;
  readonly images: FakeImages;
  readonly server: CriServer;
  readonly runtime: RuntimeServiceClient;
  readonly image: ImageServiceClient;
}

export async function served(options: Partial<CriServerOptions> = {}): Promise<Served> {
  const directory = await Deno.makeTempDir({ prefix: "crid-server-" });
  const socketPath = `${directory}/run/crid.sock`;
  const pods = new FakePods();
  const images = new FakeImages();
  const config = defaultConfig();
  const server = await serveCri({
    socketPath,
    pods,
    images,
    runtime: { name: "cri-o", version: "1.37.0" },
    features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: true },
    config: () => config,
    configText: () => "[crio]\n",
    ...options,
  });
  const runtime = new RuntimeServiceClient(`unix:${socketPath}`, credentials.createInsecure());
  const image = new ImageServiceClient(`unix:${socketPath}`, credentials.createInsecure());
  return {
    socketPath,
    pods,
    images,
    server,
    runtime,
    image,
    async [Symbol.asyncDispose]() {
      runtime.close();
      image.close();
      await server.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

type Answer<Response> = (error: ServiceError | null, response: Response) => void;

/** One unary call as a promise. */
export function answer<Response>(call: (answer: Answer<Response>) => void): Promise<Response> {
  return new Promise((resolve, reject) =>
    call((error, response) => error === null ? resolve(response) : reject(error))
  );
}
