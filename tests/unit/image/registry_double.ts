/**
 * A registry that lies, for what no real one can be made to do. Everything else is tested against a real
 * one in tests/integration/image.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { receiveBlob } from "../../../src/image/blob_stream.ts";
import { createRegistryPeer } from "../../../src/image/registry/peer.ts";
import type { RegistryOptions } from "../../../src/image/registry/options.ts";
import type { BlobDescriptor, RegistryAuth, ResolvedImage } from "../../../src/image/types.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface RegistryDouble extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** `METHOD /path authorization` of every request so far. */
  readonly requests: string[];
}

/** Starts a server on a loopback port. */
export async function serve(handler: Handler): Promise<RegistryDouble> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { authorization = "" } = request.headers;
    requests.push(`${request.method} ${request.url} ${authorization}`.trim());
    void handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function sha256(bytes: Uint8Array | string): string {
  return "sha256:" + createHash("sha256").update(bytes).digest("hex");
}

/** A manifest with its config and one layer, as documents by path below `/v2/app/`. */
export interface AppDocuments {
  readonly layer: Uint8Array;
  readonly layerDigest: string;
  readonly manifest: string;
  readonly documents: Map<string, string | Uint8Array>;
}

export function appDocuments(
  options: { layer?: Uint8Array; urls?: string[] } = {},
): AppDocuments {
  const { layer = new Uint8Array(1000).fill(7), urls = [] } = options;
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: [sha256(layer)] },
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: sha256(config),
      size: config.length,
    },
    layers: [{
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest: sha256(layer),
      size: layer.length,
      urls,
    }],
  });
  return {
    layer,
    layerDigest: sha256(layer),
    manifest,
    documents: new Map<string, string | Uint8Array>([
      ["/v2/app/manifests/latest", manifest],
      [`/v2/app/manifests/${sha256(manifest)}`, manifest],
      [`/v2/app/blobs/${sha256(config)}`, config],
      [`/v2/app/blobs/${sha256(layer)}`, layer],
    ]),
  };
}

/** Answers with the documents; 404 for others. */
export function answer(documents: Map<string, string | Uint8Array>): Handler {
  return ({ url = "" }, response) => {
    const document = documents.get(url);
    if (document === undefined) response.writeHead(404).end();
    else response.end(document);
  };
}

export interface ClientOptions {
  /** registries.conf; by default the host is insecure, that is, plain HTTP. */
  readonly conf?: string;
  readonly policy?: string;
  readonly auths?: Record<string, { auth?: string; identitytoken?: string }>;
  readonly options?: Partial<RegistryOptions>;
}

/** Short waits, so that a test of patience does not need any. */
const RETRY = {
  throttledAttempts: 3,
  throttledDelayMs: 5,
  maxDelayMs: 2_000,
  attempts: 3,
  delayMs: 5,
  answerMs: 2_000,
  stallMs: 300,
};

/** The registry peer as a test uses it. */
export interface TestClient extends AsyncDisposable {
  readonly options: RegistryOptions;
  resolve(
    reference: string,
    auth?: Partial<RegistryAuth>,
    signal?: AbortSignal,
    namespace?: string,
  ): Promise<ResolvedImage>;
  fetch(image: ResolvedImage, blob?: BlobDescriptor, signal?: AbortSignal): Promise<Uint8Array>;
}

/** A registry peer with configuration files of its own. */
export async function client(
  host: string,
  { conf, policy, auths = {}, options = {} }: ClientOptions = {},
): Promise<TestClient> {
  const root = await Deno.makeTempDir({ prefix: "crid-registry-client-" });
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(join(root, name), text);
    return join(root, name);
  };
  const all: RegistryOptions = {
    registries: {
      conf: await write("conf", conf ?? `[[registry]]\nlocation = "${host}"\ninsecure = true`),
      dropIns: [],
      recordedAliases: "/nonexistent",
    },
    shortNameMode: "enforcing",
    policyFile: await write(
      "policy.json",
      policy ?? `{"default":[{"type":"insecureAcceptAnything"}]}`,
    ),
    namespacePolicies: root,
    authFiles: [join(root, "none.json"), await write("auth.json", JSON.stringify({ auths }))],
    certificateDirs: [join(root, "certs.d")],
    systemAuthorities: [],
    userAgent: "crid/test",
    platform: { os: "linux", architecture: "amd64", variant: "" },
    retry: RETRY,
    ...options,
  };
  const peer = createRegistryPeer(all);
  const never = new AbortController().signal;
  return {
    options: all,
    resolve: (reference, auth, signal = never, namespace = "") =>
      peer.resolve({
        reference,
        namespace,
        auth: auth && {
          username: "",
          password: "",
          auth: "",
          serverAddress: "",
          identityToken: "",
          registryToken: "",
          ...auth,
        },
      }, signal),
    async fetch(image, blob = image.layers[0], signal = never) {
      const { port1, port2 } = new MessageChannel();
      const sent = peer.fetchBlob({ session: image.session, blob: blob!, port: port1 }, signal);
      const chunks: Uint8Array[] = [];
      const received = (async () => {
        for await (const chunk of receiveBlob(port2)) chunks.push(new Uint8Array(chunk));
      })();
      received.catch(() => {});
      await sent;
      await received;
      return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(root, { recursive: true });
    },
  };
}
