/**
 * The network half of a push: the distribution specification's upload of blobs and manifests.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { CridError, isCode } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import { type Chunk, receiveBlob } from "../blob_stream.ts";
import { type ImageReference, parseReference, repositoryName } from "../reference.ts";
import { loadRegistriesConf } from "../registries_conf.ts";
import type { RegistryAuth } from "../types.ts";
import { RegistryClient } from "./client.ts";
import { credentialsFromFiles, credentialsFromRequest } from "./credentials.ts";
import type { RegistryOptions } from "./options.ts";
import { DEFAULT_RETRY } from "./retry.ts";
import { pushTarget } from "./sources.ts";
import type { HttpResponse } from "./transport.ts";
import { TransportPool, type Transports } from "./transports.ts";

/** What an upload turned out to be. */
export interface UploadedBlob {
  readonly digest: string;
  readonly size: number;
}

/** The network half of a push, as whoever has the image talks to it. */
export interface PushPeer {
  /** @returns The session that the other calls are about. */
  openPush(
    request: { readonly reference: string; readonly auth: RegistryAuth | undefined },
    signal: AbortSignal,
  ): Promise<number>;
  /**
   * Whether the repository has the blob, or could take it over from one of the others on the same
   * registry (`from`, without the host).
   */
  hasBlob(
    request: {
      readonly session: number;
      readonly digest: string;
      readonly from: readonly string[];
    },
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Uploads the bytes that come over `port` (image/blob_stream.ts); the digest is found on the way. */
  putBlob(
    request: { readonly session: number; readonly port: MessagePort },
    signal: AbortSignal,
  ): Promise<UploadedBlob>;
  /** @param request `reference` is a tag or a digest. */
  putManifest(
    request: {
      readonly session: number;
      readonly bytes: Uint8Array;
      readonly mediaType: string;
      readonly reference: string;
    },
    signal: AbortSignal,
  ): Promise<void>;
  closePush(session: number): void;
}

interface Session {
  readonly client: RegistryClient;
  readonly transports: Transports;
  readonly reference: ImageReference;
}

/** The push peer in this isolate. */
export function createPushPeer(options: RegistryOptions): PushPeer {
  const sessions = new Map<number, Session>();
  const connections = new TransportPool(options);
  let last = 0;
  const find = (id: number) => {
    const session = sessions.get(id);
    if (session !== undefined) return session;
    throw new CridError("failed_precondition", `no push session ${id}`);
  };
  return {
    async openPush(request) {
      const session = await open(request, options, connections);
      sessions.set(++last, session);
      return last;
    },
    hasBlob: ({ session, digest, from }, signal) => hasBlob(find(session), digest, from, signal),
    async putBlob({ session, port }, signal) {
      const source = receiveBlob(port, signal);
      return await putBlob(find(session), source, signal);
    },
    async putManifest({ session, bytes, mediaType, reference }, signal) {
      const { client, reference: { path } } = find(session);
      const response = await client.send({
        what: `push the manifest of ${client.host}/${path}:${reference}`,
        method: "PUT",
        path: `manifests/${reference}`,
        headers: { "content-type": mediaType },
        body: bytes as Chunk,
        accept: [200, 201, 202],
      }, signal);
      response.discard();
    },
    closePush(id) {
      sessions.get(id)?.transports[Symbol.dispose]();
      sessions.delete(id);
    },
  };
}

async function open(
  request: { readonly reference: string; readonly auth: RegistryAuth | undefined },
  options: RegistryOptions,
  connections: TransportPool,
): Promise<Session> {
  const conf = await loadRegistriesConf(options.registries);
  const { reference, insecure } = pushTarget(
    conf,
    parseReference(request.reference),
    options.insecureRegistries,
  );
  const given = credentialsFromRequest(request.auth);
  const credentials = given.kind === "none"
    ? await credentialsFromFiles(options.authFiles, reference)
    : given;
  const transports = connections.transports();
  const client = new RegistryClient({
    reference,
    insecure,
    credentials,
    userAgent: options.userAgent,
    retry: { ...DEFAULT_RETRY, ...options.retry },
    transport: (host) => transports.for(host, insecure ? "skipped" : "required"),
  });
  return { client, transports, reference };
}

async function hasBlob(
  session: Session,
  digest: string,
  from: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const { client, reference } = session;
  const what = `blob ${digest} of ${repositoryName(reference)}`;
  const path = `blobs/${digest}`;
  const head = await client.send({ what, method: "HEAD", path, accept: [200, 404] }, signal);
  head.discard();
  if (head.status === 200) return true;
  for (const repository of from) {
    if (await mount(session, digest, repository, signal)) return true;
  }
  return false;
}

/** A registry that cannot take it over begins an upload in place of that, which is given up. */
async function mount(
  { client, reference }: Session,
  digest: string,
  from: string,
  signal: AbortSignal,
): Promise<boolean> {
  const query = new URLSearchParams({ mount: digest, from });
  try {
    const response = await client.send({
      what: `take over blob ${digest} from ${from} to ${repositoryName(reference)}`,
      method: "POST",
      path: `blobs/uploads/?${query}`,
      headers: { "content-length": "0" },
      accept: [201, 202],
    }, signal);
    response.discard();
    if (response.status === 201) return true;
    const cancel = { what: "cancel an upload", method: "DELETE", path: uploadAddress(response) };
    await client.send({ ...cancel, method: "DELETE", accept: [200, 202, 204, 404, 405] }, signal)
      .then((each) => each.discard(), () => {});
    return false;
  } catch (error) {
    if (signal.aborted || isCode(error, "unavailable")) throw error;
    log.debug("a blob was not taken over", { digest, from });
    return false;
  }
}

/** POST, one PATCH with all bytes as they come, PUT with the digest that they turned out to have. */
async function putBlob(
  { client, reference }: Session,
  source: AsyncIterable<Chunk>,
  signal: AbortSignal,
): Promise<UploadedBlob> {
  const what = `upload a blob to ${repositoryName(reference)}`;
  const hash = createHash("sha256");
  let size = 0;
  const counted = async function* () {
    for await (const chunk of source) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  };
  const begun = await client.send({
    what,
    method: "POST",
    path: "blobs/uploads/",
    headers: { "content-length": "0" },
    accept: [202],
  }, signal);
  begun.discard();
  const sent = await client.send({
    what,
    method: "PATCH",
    path: uploadAddress(begun),
    headers: { "content-type": "application/octet-stream" },
    body: counted(),
    accept: [202, 204],
  }, signal);
  sent.discard();
  const digest = `sha256:${hash.digest("hex")}`;
  const end = uploadAddress(sent);
  end.searchParams.set("digest", digest);
  const done = await client.send({
    what: `${what}: ${digest}`,
    method: "PUT",
    path: end,
    headers: { "content-type": "application/octet-stream", "content-length": "0" },
    accept: [201, 204],
  }, signal);
  done.discard();
  return { digest, size };
}

/** Where the upload goes on. */
function uploadAddress({ headers, url }: HttpResponse): URL {
  const address = URL.parse(headers.get("location") ?? "", url);
  if (address !== null && /^https?:$/.test(address.protocol)) return address;
  throw new CridError("unavailable", "the registry does not say where an upload goes on");
}
