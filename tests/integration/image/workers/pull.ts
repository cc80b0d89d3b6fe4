/** A `pull` isolate for tests. */
import { createRegistryPeer } from "../../../../src/image/registry/peer.ts";
import { serveRegistryPeer } from "../../../../src/image/peers.ts";
import type { RegistryOptions } from "../../../../src/image/mod.ts";

self.onmessage = (
  { data }: MessageEvent<{ readonly port: MessagePort; readonly options: RegistryOptions }>,
) => void serveRegistryPeer(data.port, createRegistryPeer(data.options));
