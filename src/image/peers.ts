/**
 * The two peers of a pull over their ports: each `connect…` belongs to the `cri` isolate, each `serve…`
 * to the isolate that does the work.
 *
 * @module
 */

import type { UnpackedLayer } from "../storage/mod.ts";
import { receiveBlob } from "./blob_stream.ts";
import { connectRpc, serveRpc } from "./isolate_rpc.ts";
import type { RegistryPeer, ResolvedImage, UnpackLimits, UnpackPeer } from "./types.ts";

type ResolveRequest = Parameters<RegistryPeer["resolve"]>[0];
type FetchRequest = Parameters<RegistryPeer["fetchBlob"]>[0];
type UnpackRequest = Parameters<UnpackPeer["unpack"]>[0];

/** Serves `peer` to the `cri` isolate at the other end of `port`. */
export function serveRegistryPeer(port: MessagePort, peer: RegistryPeer): Promise<Disposable> {
  return serveRpc(port, {
    resolve: (request, signal) => peer.resolve(request as ResolveRequest, signal),
    fetchBlob: (request, signal) => peer.fetchBlob(request as FetchRequest, signal),
    close: (session) => peer.close(session as number),
  });
}

/**
 * The registry peer that the `pull` isolate serves at the other end of `port`. Disposing it, or the
 * isolate's death, fails every call with `unavailable`.
 */
export async function connectRegistry(port: MessagePort): Promise<RegistryPeer & Disposable> {
  const rpc = await connectRpc(port, "the pull isolate");
  return {
    resolve: async (request, signal) =>
      await rpc.call("resolve", request, { signal }) as ResolvedImage,
    fetchBlob: async (request, signal) => {
      await rpc.call("fetchBlob", request, { signal, transfer: [request.port] });
    },
    close: (session) => rpc.notify("close", session),
    [Symbol.dispose]: () => rpc[Symbol.dispose](),
  };
}

/** `unpackLayer` of storage/, so that this room needs no more of it than its shape. */
export type UnpackLayer = (
  source: AsyncIterable<Uint8Array>,
  paths: UnpackRequest["paths"],
  limits: UnpackLimits,
  signal: AbortSignal,
) => Promise<UnpackedLayer>;

/** Serves the unpacking of layers to the `cri` isolate at the other end of `port`. */
export function serveUnpacker(port: MessagePort, unpackLayer: UnpackLayer): Promise<Disposable> {
  return serveRpc(port, {
    unpack: (payload, signal) => {
      const request = payload as UnpackRequest;
      const source = receiveBlob(request.port, signal);
      return unpackLayer(source, request.paths, request.limits, signal);
    },
  });
}

/** The unpack peer at the other end of `port`; fails as {@linkcode connectRegistry} does. */
export async function connectUnpacker(port: MessagePort): Promise<UnpackPeer & Disposable> {
  const rpc = await connectRpc(port, "the unpack isolate");
  return {
    unpack: async (request, signal) =>
      await rpc.call("unpack", request, { signal, transfer: [request.port] }) as UnpackedLayer,
    [Symbol.dispose]: () => rpc[Symbol.dispose](),
  };
}
