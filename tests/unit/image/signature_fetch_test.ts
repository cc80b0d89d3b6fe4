import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { isCode } from "../../../src/failure/mod.ts";
import { parseReference } from "../../../src/image/reference.ts";
import { RegistryClient } from "../../../src/image/registry/client.ts";
import { DEFAULT_RETRY } from "../../../src/image/registry/retry.ts";
import { attachedSignatures, storedSigstore } from "../../../src/image/signature/fetch.ts";
import { sha256 } from "./registry_double.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const MEBIBYTE = 1024 * 1024;

/** Looks for signatures where these payloads are attached. */
async function attached(payloads: readonly Uint8Array<ArrayBuffer>[]) {
  const reference = parseReference("registry.example/app");
  const byPath = new Map(payloads.map((each) => [`/v2/app/blobs/${sha256(each)}`, each]));
  const layers = payloads.map((each) => ({
    mediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
    digest: sha256(each),
  }));
  const manifest = new TextEncoder().encode(JSON.stringify({ layers }));
  const transport = () =>
    Promise.resolve({
      send: ({ url }: { readonly url: URL }) =>
        Promise.resolve({
          status: 200,
          headers: new Headers(),
          url,
          body: ReadableStream.from([byPath.get(url.pathname) ?? manifest]),
          discard: () => {},
        }),
      [Symbol.dispose]: () => {},
    });
  const userAgent = "test";
  const client = new RegistryClient({
    ...{ reference, userAgent, transport, insecure: false, retry: DEFAULT_RETRY },
    credentials: { kind: "none" },
  });
  const { signal } = new AbortController();
  return await attachedSignatures(DIGEST, { reference, client, transport, userAgent, signal });
}

describe("signatures beside an image", () => {
  it("may be large, and are kept as they are", async () => {
    const payload = new Uint8Array(MEBIBYTE).fill(7);
    const [signature] = await attached([payload]);
    const stored = new TextDecoder().decode(storedSigstore(signature!));
    assert.match(stored, /^\0sigstore-json\n\{/);
    const { payload: base64 } = JSON.parse(stored.slice(stored.indexOf("{")));
    assert.equal(base64, btoa("\x07".repeat(MEBIBYTE)));
  });

  it("are refused when they are too many for the memory", async () => {
    const payloads = Array.from({ length: 6 }, (_, at) => new Uint8Array(3 * MEBIBYTE).fill(at));
    await assert.rejects(
      attached(payloads),
      (error) => isCode(error, "invalid_argument") && /longer than the limit/.test(error.message),
    );
  });
});
