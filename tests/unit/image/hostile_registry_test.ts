import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type ErrorCode, isCode } from "../../../src/failure/mod.ts";
import { answer, appDocuments, client, type Handler, serve, sha256 } from "./registry_double.ts";

/** Resolves and fetches `app` from a registry that behaves as `handler` does. */
async function pull(handler: Handler, host = (own: string) => own): Promise<Uint8Array> {
  await using registry = await serve(handler);
  await using peer = await client(host(registry.host));
  return await peer.fetch(await peer.resolve(`${registry.host}/app`));
}

async function fails(handler: Handler, code: ErrorCode, text: RegExp): Promise<void> {
  await assert.rejects(
    () => pull(handler),
    (error) => {
      assert.ok(isCode(error, code), `${error}, code ${(error as { code?: string }).code}`);
      assert.match(error.message, text);
      return true;
    },
  );
}

/** The documents of an image whose layer is answered by `handler`. */
function layerFrom(handler: Handler, options?: Parameters<typeof appDocuments>[0]): Handler {
  const { documents, layerDigest } = appDocuments(options);
  const others = answer(documents);
  return (request, response) =>
    (request.url?.endsWith(layerDigest) ? handler : others)(request, response);
}

describe("a registry that lies or breaks", () => {
  it("is no trouble when it does neither", async () => {
    const { documents, layer } = appDocuments();
    assert.deepEqual(await pull(answer(documents)), layer);
  });

  it("sends another manifest than the digest asks for", async () => {
    await using registry = await serve((_, response) => void response.end("{}"));
    await using peer = await client(registry.host);
    await assert.rejects(
      () => peer.resolve(`${registry.host}/app@sha256:${"0".repeat(64)}`),
      (error) => isCode(error, "invalid_argument") && /digest mismatch/.test(error.message),
    );
  });

  it("sends another config than the manifest names", async () => {
    const { documents } = appDocuments();
    for (const path of documents.keys()) {
      if (path.includes("blobs")) documents.set(path, "{}");
    }
    await fails(answer(documents), "invalid_argument", /config .*digest mismatch/);
  });

  it("sends a layer of the right size with wrong content", async () => {
    const wrong = new Uint8Array(1000);
    await fails(
      layerFrom((_, response) => void response.end(wrong)),
      "invalid_argument",
      /blob sha256:.*127\.0\.0\.1.*digest mismatch/,
    );
  });

  it("announces another size than the manifest", async () => {
    await fails(
      layerFrom((_, response) => void response.end(new Uint8Array(2000))),
      "invalid_argument",
      /wrong size: the manifest says 1000 bytes, the registry sends 2000/,
    );
  });

  it("sends an endless body", async () => {
    let sent = 0;
    await fails(
      layerFrom((_, response) => {
        const more = () => {
          if (response.destroyed) return;
          sent += 65536;
          if (response.write(new Uint8Array(65536))) setImmediate(more);
          else response.once("drain", more);
        };
        more();
      }),
      "invalid_argument",
      /sends more than 1000 bytes/,
    );
    assert.ok(sent < 64 * 1024 * 1024, `took ${sent} bytes`);
  });

  it("cuts the body each time", async () => {
    let asked = 0;
    await fails(
      layerFrom((_, response) => {
        asked++;
        response.writeHead(200, { "content-length": "1000" });
        response.write(new Uint8Array(10));
        setTimeout(() => response.destroy(), 5);
      }),
      "unavailable",
      /RegistryUnavailable: blob .* the connection broke 3 times, after 10 of 1000 bytes/,
    );
    assert.equal(asked, 3);
  });

  it("cuts the body once, and is asked for the rest only", async () => {
    const layer = crypto.getRandomValues(new Uint8Array(60_000));
    const ranges: (string | undefined)[] = [];
    const handler: Handler = (request, response) => {
      const { range } = request.headers;
      ranges.push(range);
      if (range === undefined) {
        response.writeHead(200, { "content-length": layer.length });
        response.write(layer.subarray(0, 20_000));
        setTimeout(() => response.destroy(), 20);
      } else {
        const from = Number(/bytes=(\d+)-/.exec(range)![1]);
        const to = layer.length - 1;
        response.writeHead(206, { "content-range": `bytes ${from}-${to}/${layer.length}` });
        response.end(layer.subarray(from));
      }
    };
    assert.deepEqual(await pull(layerFrom(handler, { layer })), layer);
    assert.deepEqual(ranges, [undefined, "bytes=20000-"]);
  });

  it("cuts the body once and knows no ranges", async () => {
    const layer = crypto.getRandomValues(new Uint8Array(60_000));
    let first = true;
    const handler: Handler = (_, response) => {
      response.writeHead(200, { "content-length": layer.length });
      if (!first) return void response.end(layer);
      first = false;
      response.write(layer.subarray(0, 20_000));
      setTimeout(() => response.destroy(), 20);
    };
    assert.deepEqual(await pull(layerFrom(handler, { layer })), layer);
  });

  it("answers with another range than was asked for", async () => {
    await fails(
      layerFrom((request, response) => {
        if (request.headers.range === undefined) {
          response.writeHead(200, { "content-length": "1000" });
          response.write(new Uint8Array(10));
          setTimeout(() => response.destroy(), 5);
        } else response.writeHead(206, { "content-range": "bytes 0-999/1000" }).end();
      }),
      "invalid_argument",
      /another range/,
    );
  });

  it("falls silent in the middle of a body", async () => {
    await fails(
      layerFrom((_, response) => {
        response.writeHead(200, { "content-length": "1000" });
        response.write(new Uint8Array(10));
      }),
      "unavailable",
      /no data for 0\.3 s/,
    );
  });

  it("makes no progress for as long as pull_progress_timeout allows", async () => {
    let tries = 0;
    const silent = layerFrom((_, response) => {
      tries++;
      response.writeHead(200, { "content-length": "1000" });
      response.flushHeaders();
    });
    await using registry = await serve(silent);
    const retry = { progressMs: 150, stallMs: 60_000, delayMs: 1, attempts: 1_000 };
    await using peer = await client(registry.host, { options: { retry } });
    const image = await peer.resolve(`${registry.host}/app`);
    await assert.rejects(
      () => peer.fetch(image),
      (error) =>
        isCode(error, "deadline_exceeded") && /up to 0\.15 s for pull progress/.test(error.message),
    );
    assert.ok(tries < 3, `${tries} tries`);
  });

  it("never answers at all", async () => {
    await using registry = await serve(() => {});
    await using peer = await client(registry.host, { options: { retry: { answerMs: 200 } } });
    await assert.rejects(
      () => peer.resolve(`${registry.host}/app`),
      (error) =>
        isCode(error, "unavailable") && /^RegistryUnavailable: .*no answer/.test(error.message),
    );
  });

  it("redirects in a circle", async () => {
    await fails(
      (_, response) => void response.writeHead(307, { location: "/v2/app/manifests/x" }).end(),
      "unavailable",
      /redirects more than 10 times/,
    );
  });

  for (const location of ["file:///etc/passwd", "gopher://x", "http://[", "data:,x"]) {
    it(`redirects to ${location}`, async () => {
      await fails(
        (_, response) => void response.writeHead(302, { location }).end(),
        "unavailable",
        /unusable address/,
      );
    });
  }

  it("asks for a login again and again", async () => {
    let asked = 0;
    await using registry = await serve((request, response) => {
      if (request.url?.startsWith("/token")) return void response.end(`{"token":"t"}`);
      asked++;
      const realm = `http://${request.headers.host}/token`;
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="s"` }).end();
    });
    await using peer = await client(registry.host);
    await assert.rejects(
      () => peer.resolve(`${registry.host}/app`),
      (error) => isCode(error, "unauthenticated") && /authentication required/.test(error.message),
    );
    assert.equal(asked, 3);
  });

  it("wants a login of a kind that nobody has", async () => {
    await fails(
      (_, response) => void response.writeHead(401, { "www-authenticate": "Negotiate" }).end(),
      "unauthenticated",
      /no way to authenticate/,
    );
  });

  it("throttles for ever", async () => {
    let asked = 0;
    await fails(
      (_, response) => {
        asked++;
        response.writeHead(429).end(
          `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`,
        );
      },
      "resource_exhausted",
      /429 \(rate limit\).*TOOMANYREQUESTS: slow down/,
    );
    assert.equal(asked, 3);
  });

  it("throttles once, and its Retry-After is kept", async () => {
    const { documents, layer } = appDocuments();
    let first = 0;
    const handler: Handler = (request, response) => {
      first ||= Date.now();
      if (Date.now() - first >= 1000) answer(documents)(request, response);
      else response.writeHead(429, { "retry-after": "1" }).end();
    };
    assert.deepEqual(await pull(handler), layer);
  });

  it("asks for an hour of patience", async () => {
    await fails(
      (_, response) => void response.writeHead(429, { "retry-after": "3600" }).end(),
      "resource_exhausted",
      /retry after 3600 s/,
    );
  });

  it("is in trouble twice and then works", async () => {
    const { documents, layer } = appDocuments();
    let asked = 0;
    const handler: Handler = (request, response) => {
      if (++asked <= 2) response.writeHead(503).end();
      else answer(documents)(request, response);
    };
    assert.deepEqual(await pull(handler), layer);
  });

  it("is in trouble for good", async () => {
    await fails((_, response) => void response.writeHead(502).end(), "unavailable", /502/);
  });

  it("hangs up on every request", async () => {
    await fails(
      (request) => void request.socket.destroy(),
      "unavailable",
      /^RegistryUnavailable: registry 127\.0\.0\.1:\d+ cannot be reached/,
    );
  });

  for (const announce of [true, false]) {
    it(`sends a manifest of 5 MB${announce ? "" : " without announcing it"}`, async () => {
      await fails(
        (_, response) => {
          const body = new Uint8Array(5 * 1024 * 1024).fill(32);
          if (announce) response.setHeader("content-length", body.length);
          else response.setHeader("transfer-encoding", "chunked");
          response.end(body);
        },
        "invalid_argument",
        /longer than the limit/,
      );
    });
  }

  it("sends a config of 5 MB", async () => {
    const { documents, layerDigest } = appDocuments();
    const config = new Uint8Array(5 * 1024 * 1024).fill(32);
    for (const path of documents.keys()) {
      if (path.includes("blobs") && !path.endsWith(layerDigest)) documents.set(path, config);
    }
    await fails(answer(documents), "invalid_argument", /config .*longer than the limit/);
  });

  it("nests lists in lists", async () => {
    const list = (digest: string) =>
      JSON.stringify({
        schemaVersion: 2,
        manifests: [{ digest, size: 1, platform: { os: "linux", architecture: "amd64" } }],
      });
    const documents = new Map<string, string>();
    let digest = `sha256:${"1".repeat(64)}`;
    for (let depth = 0; depth < 5; depth++) {
      const text = list(digest);
      digest = sha256(text);
      documents.set(`/v2/app/manifests/${digest}`, text);
      documents.set(`/v2/app/manifests/latest`, text);
    }
    await fails(answer(documents), "invalid_argument", /nest too deeply/);
  });

  it("sends garbage with the errors that it reports", async () => {
    await fails(
      (_, response) => void response.writeHead(404).end("<html>".repeat(100_000)),
      "not_found",
      /manifest of 127\.0\.0\.1:\d+\/app:latest: registry answered 404 \(not found\)$/,
    );
  });

  it("is not there", async () => {
    await using registry = await serve(() => {});
    const { host } = registry;
    await registry[Symbol.asyncDispose]();
    await using peer = await client(host);
    await assert.rejects(
      () => peer.resolve(`${host}/app`),
      (error) =>
        isCode(error, "unavailable") && /^RegistryUnavailable: .*refused/.test(error.message),
    );
  });

  it("is a registry, though its name is that of a kind of archive", async () => {
    await using peer = await client("127.0.0.1:1");
    await assert.rejects(
      () => peer.resolve("oci:1/app"),
      (error) => isCode(error, "unavailable") && /registry oci:1 cannot/.test(error.message),
    );
  });

  it("stops when the caller has had enough, wherever it is", async () => {
    for (const part of ["manifests", "blobs"]) {
      const { documents } = appDocuments();
      const stop = new AbortController();
      const closed = Promise.withResolvers<void>();
      await using registry = await serve((request, response) => {
        if (!request.url?.includes(part)) return answer(documents)(request, response);
        response.on("close", () => closed.resolve());
        setTimeout(() => stop.abort(new Error("enough")), 20);
      });
      await using peer = await client(registry.host);
      await assert.rejects(
        () => peer.resolve(`${registry.host}/app`, undefined, stop.signal),
        /enough/,
      );
      await closed.promise;
    }
  });
});
