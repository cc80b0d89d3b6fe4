import { CridError } from "../../failure/mod.ts";
import { sendBlob } from "../blob_stream.ts";
import { formatReference, parseReference } from "../reference.ts";
import type { PushPeer } from "../registry/push.ts";
import type { RegistryAuth } from "../types.ts";
import type { ImageDestination } from "./destination.ts";

/** Attempts in all for one blob whose connection breaks. */
const ATTEMPTS = 3;

/** A repository on a registry, through the isolate that may talk to it. */
export async function registryDestination(
  peer: PushPeer,
  name: string,
  auth: RegistryAuth | undefined,
  signal: AbortSignal,
): Promise<ImageDestination> {
  const reference = parseReference(name);
  const session = await peer.openPush({ reference: formatReference(reference), auth }, signal);
  return {
    layerForm: "blob",
    manifestForm: "any",
    has: (digest, from) =>
      peer.hasBlob({
        session,
        digest,
        from: from.filter((each) => each !== reference.path),
      }, signal),
    async put(blob, stop) {
      for (let attempt = 1;; attempt++) {
        try {
          return await upload(peer, session, blob.open(), stop);
        } catch (error) {
          const again = error instanceof CridError && error.code === "unavailable";
          if (!again || attempt === ATTEMPTS || stop.aborted) throw error;
        }
      }
    },
    async putImage({ manifest: bytes, mediaType, digest }) {
      const at = reference.digest ?? reference.tag ?? "latest";
      if (reference.digest !== undefined && reference.digest !== digest) {
        throw new CridError(
          "failed_precondition",
          `push ${name}: the image's manifest is ${digest} there; give it a tag`,
        );
      }
      await peer.putManifest({ session, bytes, mediaType, reference: at }, signal);
    },
    finish: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(peer.closePush(session)),
  };
}

/** When one half fails, the other is stopped. */
async function upload(
  peer: PushPeer,
  session: number,
  source: AsyncIterable<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
) {
  const { port1, port2 } = new MessageChannel();
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const sent = sendBlob(port1, () => source, stop);
  const put = peer.putBlob({ session, port: port2 }, stop);
  for (const half of [sent, put]) half.catch((error) => failed.abort(error));
  const [sending, putting] = await Promise.allSettled([sent, put]);
  signal.throwIfAborted();
  // What failed at the registry says more than the stream that broke for it.
  if (putting.status === "rejected" && !isEcho(putting.reason)) throw putting.reason;
  if (sending.status === "rejected") throw sending.reason;
  if (putting.status === "rejected") throw putting.reason;
  return putting.value;
}

function isEcho(error: unknown): boolean {
  return error instanceof CridError && error.code === "cancelled";
}
