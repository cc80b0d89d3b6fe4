import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { isCode } from "../../../src/failure/mod.ts";
import {
  answer,
  appDocuments,
  client,
  type Handler,
  type RegistryDouble,
  serve,
} from "./registry_double.ts";

const LAYER = new Uint8Array(1000).fill(7);
/** `tester:secret` */
const AUTH = "dGVzdGVyOnNlY3JldA==";

describe("a layer with addresses of its own", () => {
  /** Pulls such an image while `elsewhere` serves its layer; `urls` are what the manifest has. */
  async function pull(
    elsewhere: Handler,
    urls: (host: string) => string[] = (host) => [`http://${host}/layer`],
  ): Promise<{ layer: Uint8Array; asked: string[]; registry: RegistryDouble }> {
    await using place = await serve(elsewhere);
    const { documents } = appDocuments({ layer: LAYER, urls: urls(place.host) });
    const documented = answer(documents);
    await using registry = await serve((request, response) => {
      if (request.headers.authorization !== undefined) return documented(request, response);
      response.writeHead(401, { "www-authenticate": `Basic realm="x"` }).end();
    });
    await using peer = await client(registry.host, { auths: { [registry.host]: { auth: AUTH } } });
    const layer = await peer.fetch(await peer.resolve(`${registry.host}/app`));
    return { layer, asked: place.requests, registry };
  }

  const fromRegistry = ({ requests }: RegistryDouble) =>
    requests.filter((line) => line.includes("/blobs/")).length > 1;

  it("comes from there, without the registry's credentials", async () => {
    const { layer, asked, registry } = await pull((_, response) => void response.end(LAYER));
    assert.deepEqual(layer, LAYER);
    assert.deepEqual(asked, ["GET /layer"]);
    assert.ok(!fromRegistry(registry));
  });

  it("comes from the next address, and from the registry when none has it", async () => {
    const { asked, registry } = await pull(
      (request, response) =>
        void (request.url === "/two" ? response.end(LAYER) : response.writeHead(404).end()),
      (host) => [`http://${host}/one`, `http://${host}/two`],
    );
    assert.deepEqual(asked, ["GET /one", "GET /two"]);
    assert.ok(!fromRegistry(registry));
    const gone = await pull((_, response) => void response.writeHead(503).end());
    assert.deepEqual(gone.layer, LAYER);
    assert.ok(fromRegistry(gone.registry));
  });

  it("comes from the registry when its address is none of HTTP", async () => {
    const odd = ["file:///etc/passwd", "gopher://h/x", "no address", "http://127.0.0.1:1/closed"];
    const { layer, asked } = await pull(() => {}, () => odd);
    assert.deepEqual(layer, LAYER);
    assert.deepEqual(asked, []);
  });

  it("must be what its digest says", async () => {
    await assert.rejects(
      () => pull((_, response) => void response.end(new Uint8Array(1000))),
      (error) => isCode(error, "invalid_argument") && /digest mismatch/.test(error.message),
    );
  });
});
