/**
 * The network half of a pull: finds an image at its mirrors or registry and streams its blobs.
 *
 * @module
 */

import type { Config } from "../../config/mod.ts";
import { CridError, errorMessage } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import { sendBlob } from "../blob_stream.ts";
import { serveRegistryPeer } from "../peers.ts";
import { formatReference, type ImageReference, repositoryName } from "../reference.ts";
import { loadRegistriesConf } from "../registries_conf.ts";
import { pullCandidates } from "../short_names.ts";
import { withArchives } from "../transports/archive_peer.ts";
import type { RegistryPeer, ResolvedImage } from "../types.ts";
import { Allowance } from "./allowance.ts";
import { openBlob } from "./blob.ts";
import { RegistryClient } from "./client.ts";
import {
  type Credentials,
  credentialsFromFile,
  credentialsFromFiles,
  credentialsFromRequest,
} from "./credentials.ts";
import { download } from "./download.ts";
import { DEFAULT_WIDENING, type WideningPolicy } from "./flow.ts";
import { type RegistryOptions, registryOptions } from "./options.ts";
import { verifySignatures } from "../signature/verify.ts";
import { checkPolicy, loadPolicy, policyFileFor, requirementsFor } from "./policy.ts";
import { type Place, Places } from "./places.ts";
import { createPushPeer } from "./push.ts";
import { readImage } from "./read_image.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "./retry.ts";
import { type PullSource, pullSources } from "./sources.ts";
import { TransportPool, type Transports } from "./transports.ts";

type ResolveRequest = Parameters<RegistryPeer["resolve"]>[0];

/** The image that a session is about, and the places where it is. */
interface Session {
  readonly places: Places;
  /** Blobs on their way. Another pull may wait for one when the pull of this session is over. */
  fetching: number;
  closed: boolean;
}

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
  const widening: WideningPolicy = { ...DEFAULT_WIDENING, ...options.widening };
  const widened = new Allowance(widening.downloads);
  const connections = new TransportPool(options);
  let lastSession = 0;
  const registry: RegistryPeer = {
    async resolve(request, signal) {
      const { session, image } = await findImage(request, { options, retry, connections }, signal);
      sessions.set(++lastSession, session);
      return { ...image, session: lastSession };
    },
    async fetchBlob({ session: id, blob, port, verify }, signal, onBytes) {
      const session = sessions.get(id);
      if (session === undefined) {
        if (port instanceof MessagePort) port.close();
        throw new CridError("failed_precondition", `no session ${id} with a registry`);
      }
      session.fetching++;
      const { places } = session;
      const open = (stop: AbortSignal) => {
        let place = places.current;
        return download(blob, {
          what: `blob ${blob.digest} of ${repositoryName(place.source.reference)}`,
          retry,
          widening,
          verify: verify ?? "digest",
          signal: stop,
          onBytes,
          open: (offset, end) => {
            place = places.current;
            const { userAgent } = options;
            return openBlob(place, blob, { offset, end }, { userAgent, retry, signal: stop });
          },
          elsewhere: (error) => places.leave(place, error),
          severalConnections: () => widened.take(),
        });
      };
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
  if (session.closed && session.fetching === 0) session.places[Symbol.dispose]();
}

/** What all sessions share. */
interface Peer {
  readonly options: RegistryOptions;
  readonly retry: RetryPolicy;
  readonly connections: TransportPool;
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
  peer: Peer,
  signal: AbortSignal,
): Promise<Found> {
  const { options } = peer;
  const conf = await loadRegistriesConf(options.registries);
  const policyFile = await policyFileFor(request.namespace, options);
  log.debug(`Using pull policy path for image ${request.reference}: ${JSON.stringify(policyFile)}`);
  const policy = await loadPolicy(policyFile);
  const candidates = pullCandidates(conf, request.reference, options.shortNameMode);
  const errors: unknown[] = [];
  for (const name of candidates) {
    const sources = pullSources(conf, name, options.insecureRegistries);
    for (const [at, source] of sources.entries()) {
      try {
        checkPolicy(policy, name);
        const requirements = requirementsFor(policy, name);
        return await findAt(
          [source, ...sources.slice(at + 1)],
          name,
          request,
          peer,
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

async function findAt(
  [source, ...behind]: readonly [PullSource, ...PullSource[]],
  name: ImageReference,
  request: ResolveRequest,
  peer: Peer,
  signal: AbortSignal,
  verify: Verify,
): Promise<Found> {
  const open = (source: PullSource) => openPlace(source, name, request, peer);
  const places = new Places(await open(source), behind, open);
  try {
    const { client, transports } = places.current;
    const { retry, options: { userAgent, platform } } = peer;
    const image = await readImage(places.current, name, { userAgent, platform, retry, signal });
    const signatures = await verify(client, transports, image);
    const session = { places, fetching: 0, closed: false };
    return { session, image: { ...image, signatures } };
  } catch (error) {
    places[Symbol.dispose]();
    throw error;
  }
}

/** Prepares to ask a place; credentials for one registry are none of another's business. */
async function openPlace(
  source: PullSource,
  name: ImageReference,
  request: ResolveRequest,
  { options, retry, connections }: Peer,
): Promise<Place> {
  const { reference } = source;
  const given = reference.domain === name.domain
    ? credentialsFromRequest(request.auth)
    : { kind: "none" } as const;
  const credentials = given.kind !== "none"
    ? given
    : await credentialsFromHost(request.credentials, options, reference);
  const transports = connections.transports();
  const client = new RegistryClient({
    reference,
    insecure: source.insecure,
    credentials,
    userAgent: options.userAgent,
    retry,
    transport: (host) => transports.for(host, source.insecure ? "skipped" : "required"),
  });
  return { source, client, transports };
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
