import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { isCode } from "../../../src/failure/mod.ts";
import { receiveBlob } from "../../../src/image/blob_stream.ts";
import { connectRegistry, registryReadPaths } from "../../../src/image/mod.ts";
import { run } from "../../../src/linux/mod.ts";
import { answer, appDocuments, client, serve } from "../../unit/image/registry_double.ts";

let directory = "";
const path = (name: string) => join(directory, name);
const read = (name: string) => Deno.readTextFile(path(name));

async function openssl(...args: string[]): Promise<void> {
  const { code, stderr } = await run("openssl", args, { cwd: directory, timeoutMs: 30_000 });
  assert.equal(code, 0, stderr.toString());
}

/** A certificate that is its own authority, as `openssl req -x509` makes it by default. */
async function selfSigned(name: string, subjectAltName: string): Promise<void> {
  await openssl(
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-keyout", `${name}.key`, "-out", `${name}.crt`, "-days", "2", "-subj", `/CN=${name}`],
    ...["-addext", `subjectAltName=${subjectAltName}`],
  );
}

async function signedBy(authority: string, name: string): Promise<void> {
  await openssl(
    ...["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`],
  );
  await Deno.writeTextFile(path("san"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  await openssl(
    ...["x509", "-req", "-in", `${name}.csr`, "-CA", `${authority}.crt`],
    ...["-CAkey", `${authority}.key`, "-out", `${name}.crt`, "-days", "2", "-extfile", "san"],
  );
}

/** Serves an image over TLS. */
async function serveTls(name: string, options: ServerOptions = {}) {
  const { documents } = appDocuments();
  const clients: boolean[] = [];
  const server = createServer(
    { cert: await read(`${name}.crt`), key: await read(`${name}.key`), ...options },
    (request, response) => {
      clients.push((request.socket as TLSSocket).authorized);
      void answer(documents)(request, response);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    clients,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Pulls behind the walls of a `pull` isolate, with these files in the host's certs.d folder. */
async function pull(host: string, files: Record<string, string>, conf = ""): Promise<void> {
  await using peer = await client(host, { conf });
  const { options } = peer;
  const folder = join(options.certificateDirs[0]!, host);
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, source] of Object.entries(files)) {
    await Deno.writeTextFile(join(folder, name), await read(source));
  }
  const worker = new Worker(new URL("./workers/pull.ts", import.meta.url), {
    type: "module",
    deno: { permissions: { net: true, read: [...registryReadPaths(options)] } },
  });
  try {
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ port: port2, options }, [port2]);
    using registry = await connectRegistry(port1);
    const never = new AbortController().signal;
    const image = await registry.resolve(
      { reference: `${host}/app`, auth: undefined, namespace: "" },
      never,
    );
    const { port1: source, port2: sink } = new MessageChannel();
    const blob = image.layers[0]!;
    const fetched = registry.fetchBlob({ session: image.session, blob, port: source }, never);
    const chunks = await Array.fromAsync(receiveBlob(sink));
    await fetched;
    assert.deepEqual(Buffer.concat(chunks), Buffer.from(appDocuments().layer));
  } finally {
    worker.terminate();
  }
}

function untrusted(error: unknown): boolean {
  return isCode(error, "unavailable") && /certificate.*certs\.d/i.test(error.message);
}

describe("a registry behind TLS", () => {
  before(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-tls-" });
    await selfSigned("authority", "DNS:authority");
    await selfSigned("lonely", "IP:127.0.0.1");
    await selfSigned("elsewhere", "DNS:elsewhere.example");
    await signedBy("authority", "server");
    await signedBy("authority", "me");
  });
  after(() => Deno.remove(directory, { recursive: true }));

  it("is trusted by the authority in certs.d, and not without", async () => {
    await using registry = await serveTls("server");
    await pull(registry.host, { "ca.crt": "authority.crt" });
    await assert.rejects(() => pull(registry.host, {}), untrusted);
    await assert.rejects(() => pull(registry.host, { "ca.crt": "lonely.crt" }), untrusted);
  });

  it("is trusted by its self-signed certificate in certs.d, and not without", async () => {
    await using registry = await serveTls("lonely");
    await pull(registry.host, { "ca.crt": "lonely.crt" });
    await assert.rejects(() => pull(registry.host, {}), untrusted);
    await assert.rejects(() => pull(registry.host, { "ca.crt": "authority.crt" }), untrusted);
  });

  it("is not trusted with a certificate for another host, though it is in certs.d", async () => {
    await using registry = await serveTls("elsewhere");
    await assert.rejects(() => pull(registry.host, { "ca.crt": "elsewhere.crt" }), untrusted);
  });

  it("needs no good certificate when it is insecure", async () => {
    for (const name of ["server", "lonely", "elsewhere"]) {
      await using registry = await serveTls(name);
      await pull(registry.host, {}, `[[registry]]\nlocation = "${registry.host}"\ninsecure = true`);
    }
  });

  it("gets the client certificate of certs.d", async () => {
    const ca = await read("authority.crt");
    await using registry = await serveTls("server", { ca, requestCert: true });
    await pull(registry.host, {
      "ca.crt": "authority.crt",
      "me.cert": "me.crt",
      "me.key": "me.key",
    });
    assert.ok(registry.clients.length > 0 && registry.clients.every((each) => each));
  });

  it("must have certificate and key together", async () => {
    await using registry = await serveTls("server");
    const lonely = (error: unknown) =>
      isCode(error, "failed_precondition") && /is there without/.test(error.message);
    await assert.rejects(() => pull(registry.host, { "me.cert": "me.crt" }), lonely);
    await assert.rejects(() => pull(registry.host, { "me.key": "me.key" }), lonely);
  });

  it("that speaks plain HTTP is refused with a hint unless it is insecure", async () => {
    await using registry = await serve(answer(appDocuments().documents));
    await assert.rejects(
      () => pull(registry.host, {}),
      (error) => isCode(error, "unavailable") && /insecure = true/.test(error.message),
    );
    assert.equal(registry.requests.length, 0);
  });
});
