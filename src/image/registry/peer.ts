/**
 * The network half of a pull: finds an image at its mirrors or registry and streams its blobs.
 *
 * @module
 */

import { join } from "@std/path";
import type { Config } from "../../config/mod.ts";
import { CridError, errorMessage, isCode } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import { parseArtifact } from "../artifact/artifact_manifest.ts";
import { sendBlob } from "../blob_stream.ts";
import { sha256, verifyDigest } from "../digest.ts";
import { choosePlatform, type ManifestList, parseManifest } from "../manifest.ts";
import { MANIFEST_TYPES } from "../media_types.ts";
import { serveRegistryPeer } from "../peers.ts";
import { hostPlatform } from "../platform.ts";
import { formatReference, type ImageReference, repositoryName } from "../reference.ts";
import { loadRegistriesConf } from "../registries_conf.ts";
import { pullCandidates } from "../short_names.ts";
import { withArchives } from "../transports/archive_peer.ts";
import type { BlobDescriptor, RegistryPeer, ResolvedImage } from "../types.ts";
import { RegistryClient } from "./client.ts";
import { readDocument } from "./client_errors.ts";
import {
  type Credentials,
  credentialsFromFile,
  credentialsFromFiles,
  credentialsFromRequest,
} from "./credentials.ts";
import { download } from "./download.ts";
import { followRedirects } from "./redirects.ts";
import { type RegistryOptions, registryOptions } from "./options.ts";
import { verifySignatures } from "../signature/verify.ts";
import { checkPolicy, loadPolicy, type Policy, requirementsFor } from "./policy.ts";
import { createPushPeer } from "./push.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "./retry.ts";
import { type PullSource, pullSources } from "./sources.ts";
import { Transports } from "./transports.ts";

type ResolveRequest = Parameters<RegistryPeer["resolve"]>[0];

/** The image that a session is about, at the place where it was found. */
interface Session {
  readonly client: RegistryClient;
  readonly transports: Transports;
  readonly source: PullSource;
  /** Blobs on their way. Another pull may wait for one when the pull of this session is over. */
  fetching: number;
  closed: boolean;
}

/** Limits of containers/image, so that what one tool takes the other does too. */
const MANIFEST_BYTES = 4 * 1024 * 1024;
const CONFIG_BYTES = 4 * 1024 * 1024;
/** A list may lead to a list; more than that is nobody's image. */
const MAX_LIST_DEPTH = 2;
const ACCEPT = Object.values(MANIFEST_TYPES).join(", ");

/**
 * Serves the registry peer over `port`; the whole of the `pull` isolate's work. Configuration files are
 * read anew for each image, so that a change counts at once.
 */
export function serveRegistry(
  port: MessagePort,
  config: Pick<Config, "image" | "options">,
  version: string,
): Promise<Disposable> {
  const options = registryOptions(config, version);
  return serveRegistryPeer(port, createRegistryPeer(options), createPushPeer(options));
}

/** The registry peer in this isolate. */
export function createRegistryPeer(options: RegistryOptions): RegistryPeer {
  const retry: RetryPolicy = { ...DEFAULT_RETRY, ...options.retry };
  const sessions = new Map<number, Session>();
  let lastSession = 0;
  const registry: RegistryPeer = {
    async resolve(request, signal) {
      const { session, image } = await findImage(request, options, retry, signal);
      sessions.set(++lastSession, session);
      return { ...image, session: lastSession };
    },
    async fetchBlob({ session: id, blob, port, verify }, signal, onBytes) {
      const session = sessions.get(id);
      if (session === undefined) {
        port.close();
        throw new CridError("failed_precondition", `no session ${id} with a registry`);
      }
      session.fetching++;
      const open = (stop: AbortSignal) =>
        download(blob, {
          what: `blob ${blob.digest} of ${repositoryName(session.source.reference)}`,
          retry,
          verify: verify ?? "digest",
          signal: stop,
          onBytes,
          open: (offset) => openBlob(session, blob, offset, options, retry, stop),
        });
      try {
        await sendBlob(port, open, signal);
      } finally {
        session.fetching--;
        disposeWhenOver(session);
      }
    },
    archiveImages: () => Promise.resolve([]),
    close(id) {
      const session = sessions.get(id);
      if (session === undefined) return;
      sessions.delete(id);
      session.closed = true;
      disposeWhenOver(session);
    },
  };
  return withArchives(registry, () => loadPolicy(options.policyFile));
}

function disposeWhenOver(session: Session): void {
  if (session.closed && session.fetching === 0) session.transports[Symbol.dispose]();
}

/** Checks the signatures of an image that has been found; returns those that it has. */
type Verify = (
  client: RegistryClient,
  transports: Transports,
  image: Found["image"],
) => Promise<readonly Uint8Array[]>;

interface Found {
  readonly session: Session;
  readonly image: Omit<ResolvedImage, "session">;
}

async function findImage(
  request: ResolveRequest,
  options: RegistryOptions,
  retry: RetryPolicy,
  signal: AbortSignal,
): Promise<Found> {
  const conf = await loadRegistriesConf(options.registries);
  const policy = await policyFor(request.namespace, options);
  const candidates = pullCandidates(conf, request.reference, options.shortNameMode);
  const errors: unknown[] = [];
  for (const name of candidates) {
    for (const source of pullSources(conf, name)) {
      try {
        checkPolicy(policy, name);
        const requirements = requirementsFor(policy, name);
        return await findAt(
          source,
          name,
          request,
          options,
          retry,
          signal,
          async (client, transports, image) =>
            await verifySignatures(requirements, {
              name,
              manifestDigest: image.manifestDigest,
              policyFile: policy.file,
              registriesD: options.registriesD ?? [],
            }, {
              reference: source.reference,
              client,
              transport: (host) => transports.for(host, source.insecure ? "skipped" : "required"),
              userAgent: options.userAgent,
              signal,
            }),
        );
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        errors.push(error);
        if (source.isMirror || candidates.length > 1) {
          const from = formatReference(source.reference);
          log.info("image is not available here, trying the next place", {
            image: formatReference(name),
            from,
            error: errorMessage(error),
          });
        }
      }
    }
  }
  throw summary(errors);
}

/** The last error is the registry's own; what the mirrors said is added. */
function summary(errors: readonly unknown[]): unknown {
  const last = errors.at(-1);
  const earlier = errors.slice(0, -1).map(errorMessage);
  if (earlier.length === 0 || !(last instanceof CridError)) return last;
  return new CridError(
    last.code,
    `${last.message} (earlier attempts: ${earlier.join("; ")})`,
    { cause: last },
  );
}

async function policyFor(namespace: string, options: RegistryOptions): Promise<Policy> {
  // A namespace is a DNS label; anything else must not become a path.
  if (options.namespacePolicies !== "" && /^[a-z0-9-]+$/.test(namespace)) {
    const file = join(options.namespacePolicies, `${namespace}.json`);
    const there = await Deno.stat(file).then(() => true, (error) => {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    });
    if (there) return await loadPolicy(file);
  }
  return await loadPolicy(options.policyFile);
}

async function findAt(
  source: PullSource,
  name: ImageReference,
  request: ResolveRequest,
  options: RegistryOptions,
  retry: RetryPolicy,
  signal: AbortSignal,
  verify: Verify,
): Promise<Found> {
  const { reference } = source;
  // Credentials for one registry are none of another's business.
  const given = reference.domain === name.domain
    ? credentialsFromRequest(request.auth)
    : { kind: "none" } as const;
  const transports = new Transports(options);
  try {
    const client = new RegistryClient({
      reference,
      insecure: source.insecure,
      credentials: given.kind !== "none"
        ? given
        : await credentialsFromHost(request.credentials, options, reference),
      userAgent: options.userAgent,
      retry,
      transport: (host) => transports.for(host, source.insecure ? "skipped" : "required"),
    });
    const image = await readImage(client, source, name, options, retry, signal);
    const signatures = await verify(client, transports, image);
    const session = { client, transports, source, fetching: 0, closed: false };
    return { session, image: { ...image, signatures } };
  } catch (error) {
    transports[Symbol.dispose]();
    throw error;
  }
}

/** What the `cri` isolate has found goes before the files that this one reads itself. */
async function credentialsFromHost(
  found: ResolveRequest["credentials"],
  { authFiles }: RegistryOptions,
  reference: ImageReference,
): Promise<Credentials> {
  if (found?.authFile !== undefined) {
    return credentialsFromFile(found.authFile.path, found.authFile.text, reference);
  }
  const helped = credentialsFromRequest(found?.byRegistry[reference.domain]);
  return helped.kind !== "none" ? helped : await credentialsFromFiles(authFiles, reference);
}

async function readImage(
  client: RegistryClient,
  { reference }: PullSource,
  name: ImageReference,
  options: RegistryOptions,
  retry: RetryPolicy,
  signal: AbortSignal,
): Promise<Omit<ResolvedImage, "session">> {
  const repository = repositoryName(reference);
  const document = async (what: string, path: string, accept: string, bytes: number) => {
    const response = await client.send({ what, path, headers: { accept } }, signal);
    const limit = { bytes, milliseconds: retry.answerMs };
    return {
      bytes: await readDocument(what, response, limit),
      contentType: response.headers.get("content-type")?.split(";", 1)[0]?.trim() ?? "",
    };
  };
  const manifestAt = async (digestOrTag: string, digest: string | undefined) => {
    const what = `manifest of ${repository}${digest ? "@" : ":"}${digestOrTag}`;
    const path = `manifests/${digestOrTag}`;
    const { bytes, contentType } = await document(what, path, ACCEPT, MANIFEST_BYTES);
    if (digest !== undefined) verifyDigest(what, bytes, digest);
    const artifact = parseArtifact(bytes);
    const parsed = artifact === undefined
      ? parseManifest(bytes, contentType)
      : { kind: "artifact", ...artifact } as const;
    return { bytes, digest: digest ?? sha256(bytes), parsed };
  };
  let found = await manifestAt(reference.digest ?? reference.tag ?? "latest", reference.digest);
  const top = found;
  for (let depth = 0; found.parsed.kind === "list"; depth++) {
    if (depth === MAX_LIST_DEPTH) {
      throw new CridError("invalid_argument", `${repository}: manifest lists nest too deeply`);
    }
    const { digest } = choosePlatform(found.parsed, options.platform ?? hostPlatform());
    found = await manifestAt(digest, digest);
  }
  const manifest = found.parsed as Exclude<typeof found.parsed, ManifestList>;
  const { config } = manifest;
  const what = `config ${config.digest} of ${repository}`;
  const configBytes = (await document(what, `blobs/${config.digest}`, "*/*", CONFIG_BYTES)).bytes;
  verifyDigest(what, configBytes, config.digest);
  return {
    name: formatReference(name),
    digest: top.digest,
    manifest: found.bytes,
    manifestDigest: found.digest,
    list: top === found ? undefined : { bytes: top.bytes, digest: top.digest },
    config: configBytes,
    configDigest: config.digest,
    ...manifest.kind === "artifact"
      ? { layers: manifest.files, artifactType: manifest.type }
      : { layers: manifest.layers },
  };
}

/** A foreign layer is asked for at its own addresses first, then like any other. */
async function openBlob(
  { client, transports, source }: Session,
  blob: BlobDescriptor,
  offset: number,
  options: RegistryOptions,
  retry: RetryPolicy,
  signal: AbortSignal,
) {
  const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
  for (const address of blob.urls) {
    const url = URL.parse(address);
    if (url === null || !/^https?:$/.test(url.protocol)) continue;
    const transport = (host: string) =>
      transports.for(host, source.insecure ? "skipped" : "required");
    try {
      const response = await followRedirects(
        { method: "GET", url, headers: { ...headers, "user-agent": options.userAgent } },
        { transport, answerMs: retry.answerMs, signal },
      );
      if (response.status === 200 || response.status === 206) return response;
      response.discard();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      log.debug("foreign layer is not at its address", {
        host: url.host,
        error: errorMessage(error),
      });
    }
  }
  const what = `blob ${blob.digest} of ${repositoryName(source.reference)}`;
  try {
    return await client.send({ what, path: `blobs/${blob.digest}`, headers }, signal);
  } catch (error) {
    // 416 means that there is nothing behind the offset: the blob is shorter than it should be.
    if (offset > 0 && isCode(error, "unknown")) {
      throw new CridError("invalid_argument", `${error.message} at byte ${offset} of ${blob.size}`);
    }
    throw error;
  }
}
