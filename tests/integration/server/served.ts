import { defaultConfig } from "../../../src/config/mod.ts";
import { type CriServer, type CriServerOptions, serveCri } from "../../../src/server/mod.ts";
import { type CriClient, criClient } from "../../harness/cri_client.ts";
import { FakeImages, FakePods } from "./fake_domain.ts";

/** A server over the fake domain on a socket of its own, and a client of it. */
export interface Served extends AsyncDisposable {
  readonly socketPath: string;
  readonly pods: FakePods;
  readonly images: FakeImages;
  readonly server: CriServer;
  readonly client: CriClient;
}

export async function served(options: Partial<CriServerOptions> = {}): Promise<Served> {
  const directory = await Deno.makeTempDir({ prefix: "crid-server-" });
  const socketPath = `${directory}/run/crid.sock`;
  const pods = new FakePods();
  const images = new FakeImages();
  const server = await serveCri({
    socketPath,
    pods,
    images,
    runtime: { name: "cri-o", version: "1.37.0" },
    features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: true },
    config: defaultConfig,
    configText: () => "[crio]\n",
    ...options,
  });
  const client = criClient(socketPath);
  return {
    socketPath,
    pods,
    images,
    server,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await server.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** The least that a pod is made from. */
export const POD = { metadata: { name: "pod", namespace: "ns", uid: "uid" } };
/** The least that a container is made from. */
export const CONTAINER = { metadata: { name: "container" }, image: { image: "busybox" } };
