/**
 * The two peers of a pull over their ports: each `connect…` belongs to the `cri` isolate, each `serve…`
 * to the isolate that does the work.
 *
 * @module
 */

import type { UnpackedLayer } from "../storage/mod.ts";
import { receiveBlob, transferOf } from "./blob_stream.ts";
import { connectRpc, type RpcMethods, serveRpc } from "./isolate_rpc.ts";
import type { PushPeer, UploadedBlob } from "./registry/push.ts";
import type { ArchiveImage } from "./transports/archive.ts";
import type { RegistryPeer, ResolvedImage, UnpackLimits, UnpackPeer } from "./types.ts";

type ResolveRequest = Parameters<RegistryPeer["resolve"]>[0];
type FetchRequest = Parameters<RegistryPeer["fetchBlob"]>[0];
type PushRequest = Parameters<PushPeer["openPush"]>[0];
type HasRequest = Parameters<PushPeer["hasBlob"]>[0];
type PutRequest = Parameters<PushPeer["putBlob"]>[0];
type ManifestRequest = Parameters<PushPeer["putManifest"]>[0];
type UnpackRequest = Parameters<UnpackPeer["unpack"]>[0];

const REPORT_MS = 100;

/** Serves `peer` to the `cri` isolate at the other end of `port`. */
export function serveRegistryPeer(
  port: MessagePort,
  peer: RegistryPeer,
  push?: PushPeer,
): Promise<Disposable> {
  return serveRpc(port, {
    resolve: (request, signal) => peer.resolve(request as ResolveRequest, signal),
    fetchBlob: (request, signal, report) =>
      peer.fetchBlob(request as FetchRequest, signal, atIntervals(report)),
    archiveImages: (source, signal) => peer.archiveImages(source as string, signal),
    close: (session) => peer.close(session as number),
    ...push && pushMethods(push),
  });
}

/**
 * The registry peer that the `pull` isolate serves at the other end of `port`. Disposing it, or the
 * isolate's death, fails every call with `unavailable`.
 */
export async function connectRegistry(
  port: MessagePort,
): Promise<RegistryPeer & PushPeer & Disposable> {
  const rpc = await connectRpc(port, "the pull isolate");
  return {
    resolve: async (request, signal) =>
      await rpc.call("resolve", request, { signal }) as ResolvedImage,
    fetchBlob: async (request, signal, onBytes) => {
      const onReport = onBytes && ((bytes: unknown) => onBytes(bytes as number));
      const transfer = transferOf(request.port);
      await rpc.call("fetchBlob", request, { signal, transfer, onReport });
    },
    archiveImages: async (source, signal) =>
      await rpc.call("archiveImages", source, { signal }) as readonly ArchiveImage[],
    close: (session) => rpc.notify("close", session),
    openPush: async (request, signal) => await rpc.call("openPush", request, { signal }) as number,
    hasBlob: async (request, signal) => await rpc.call("hasBlob", request, { signal }) as boolean,
    putBlob: async (request, signal) => {
      const options = { signal, transfer: [request.port] };
      return await rpc.call("putBlob", request, options) as UploadedBlob;
    },
    putManifest: async (request, signal) => {
      await rpc.call("putManifest", request, { signal });
    },
    closePush: (session) => rpc.notify("closePush", session),
    [Symbol.dispose]: () => rpc[Symbol.dispose](),
  };
}

function pushMethods(peer: PushPeer): RpcMethods {
  return {
    openPush: (request, signal) => peer.openPush(request as PushRequest, signal),
    hasBlob: (request, signal) => peer.hasBlob(request as HasRequest, signal),
    putBlob: (request, signal) => peer.putBlob(request as PutRequest, signal),
    putManifest: (request, signal) => peer.putManifest(request as ManifestRequest, signal),
    closePush: (session) => peer.closePush(session as number),
  };
}

/** Reports are for eyes: more than a few a second are wasted. */
function atIntervals(report: (bytes: number) => void): (bytes: number) => void {
  let last = -Infinity;
  return (bytes) => {
    const now = performance.now();
    if (now - last < REPORT_MS) return;
    last = now;
    report(bytes);
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
    unpack: async (request, signal) => {
      const transfer = transferOf(request.port);
      return await rpc.call("unpack", request, { signal, transfer }) as UnpackedLayer;
    },
    [Symbol.dispose]: () => rpc[Symbol.dispose](),
  };
}
