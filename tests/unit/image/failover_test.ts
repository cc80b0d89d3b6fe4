import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { isCode } from "../../../src/failure/mod.ts";
import { answer, appDocuments, client, type Handler, serve, sha256 } from "./registry_double.ts";

/** A layer with bytes that differ from place to place. */
function noise(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  }
  return bytes;
}

/** Answers with a blob as a registry does that knows ranges. */
function withRanges(
  layer: Uint8Array,
  range: string | undefined,
  response: ServerResponse,
): void {
  const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  const [begin, last] = [Number(from), to === "" ? layer.length - 1 : Number(to)];
  const body = layer.subarray(begin, last + 1);
  response.writeHead(range === undefined ? 200 : 206, {
    "content-length": body.length,
    "accept-ranges": "bytes",
    ...range && { "content-range": `bytes ${begin}-${last}/${layer.length}` },
  });
  response.end(body);
}

const conf = (primary: string, ...mirrors: string[]) =>
  `[[registry]]\nlocation = "${primary}"\ninsecure = true\n` +
  mirrors.map((host) => `[[registry.mirror]]\nlocation = "${host}"\ninsecure = true\n`).join("");

describe("an image whose mirror fails in the middle", () => {
  /** A mirror that knows the manifest and treats the layer as `blob` does, before a sound registry. */
  async function pull(blob: Handler, layer = noise(300_000)) {
    const { documents, layerDigest } = appDocuments({ layer });
    const others = answer(documents);
    const asked: (string | undefined)[] = [];
    await using registry = await serve((request, response) => {
      if (!request.url?.endsWith(layerDigest)) return others(request, response);
      asked.push(request.headers.range);
      withRanges(layer, request.headers.range, response);
    });
    await using mirror = await serve((request, response) =>
      (request.url?.endsWith(layerDigest) ? blob : others)(request, response)
    );
    await using peer = await client(registry.host, {
      conf: conf(registry.host, mirror.host),
      options: { retry: { delayMs: 5, attempts: 3, stallMs: 60_000 } },
    });
    const image = await peer.resolve(`${registry.host}/app`);
    assert.equal(image.name, `${registry.host}/app:latest`);
    assert.deepEqual(await peer.fetch(image), layer);
    return { asked, mirrored: mirror.requests.filter((line) => line.includes(layerDigest)) };
  }

  it("is completed from the registry when the mirror lacks a layer", async () => {
    const { asked } = await pull((_, response) => void response.writeHead(404).end());
    assert.deepEqual(asked, [undefined]);
  });

  it("is completed from the registry, from where the mirror broke off", async () => {
    const layer = noise(300_000);
    const { asked, mirrored } = await pull((request, response) => {
      if (request.headers.range !== undefined) return void response.destroy();
      response.writeHead(200, { "content-length": layer.length });
      response.write(layer.subarray(0, 100_000));
      setTimeout(() => response.destroy(), 20);
    }, layer);
    assert.ok(mirrored.length > 1, "the mirror is tried again first");
    assert.deepEqual(asked, ["bytes=100000-"]);
  });

  it("is completed from the registry when the mirror announces another size", async () => {
    await pull((_, response) =>
      void response.writeHead(200, { "content-length": 7 }).end("garbage")
    );
  });

  it("fails with the last place's error when there is no other place", async () => {
    const { documents, layerDigest } = appDocuments();
    const others = answer(documents);
    const broken: Handler = (request, response) =>
      request.url?.endsWith(layerDigest)
        ? void response.writeHead(404).end()
        : others(request, response);
    await using registry = await serve(broken);
    await using mirror = await serve(broken);
    await using peer = await client(registry.host, { conf: conf(registry.host, mirror.host) });
    const image = await peer.resolve(`${registry.host}/app`);
    await assert.rejects(peer.fetch(image), (error) => isCode(error, "not_found"));
  });
});

describe("a large layer that comes slowly over one connection", () => {
  const SIZE = 2 * 1024 * 1024;
  /** No pause of a busy machine counts as a broken connection. */
  const PATIENT = { delayMs: 5, stallMs: 60_000, answerMs: 60_000 };
  const WIDENING = { least: 1024 * 1024, sample: 256 * 1024, segment: 128 * 1024, slow: 0 };
  const layer = noise(SIZE);

  /** Throttles a body: as a far registry, where each connection has its own speed. */
  function slowly(body: Uint8Array, response: ServerResponse): void {
    let at = 0;
    const more = () => {
      if (response.destroyed || at >= body.length) return void response.end();
      response.write(body.subarray(at, at += 32 * 1024));
      setTimeout(more, 5);
    };
    more();
  }

  async function pull(blob: Handler): Promise<void> {
    const { documents, layerDigest } = appDocuments({ layer });
    const others = answer(documents);
    await using registry = await serve((request, response) =>
      (request.url?.endsWith(layerDigest) ? blob : others)(request, response)
    );
    await using peer = await client(registry.host, {
      options: { widening: WIDENING, retry: PATIENT },
    });
    const fetched = await peer.fetch(await peer.resolve(`${registry.host}/app`));
    assert.equal(fetched.length, SIZE);
    assert.equal(sha256(fetched), layerDigest, "every byte is in its place");
  }

  const range = (header: string | undefined) => {
    const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(header ?? "") ?? [];
    return { from: Number(from), end: to === "" ? SIZE : Number(to) + 1 };
  };

  it("is fetched over several, in order, when the registry offers ranges", async () => {
    const asked: string[] = [];
    let open = 0;
    let most = 0;
    await pull((request, response) => {
      const { from, end } = range(request.headers.range);
      asked.push(`${from}-${end}`);
      most = Math.max(most, ++open);
      response.on("close", () => open--);
      response.writeHead(request.headers.range === undefined ? 200 : 206, {
        "content-length": end - from,
        "accept-ranges": "bytes",
        ...request.headers.range && { "content-range": `bytes ${from}-${end - 1}/${SIZE}` },
      });
      slowly(layer.subarray(from, end), response);
    });
    assert.ok(asked.length > 4, asked.join(" "));
    assert.ok(most > 2, `${most} connections at a time`);
  });

  it("comes over one when the registry does not offer ranges", async () => {
    const asked: (string | undefined)[] = [];
    await pull((request, response) => {
      asked.push(request.headers.range);
      response.writeHead(200, { "content-length": SIZE });
      slowly(layer, response);
    });
    assert.deepEqual(asked, [undefined]);
  });

  it("comes over one again when the ranges are wrong, break off or are refused", async () => {
    for (const lie of ["wrong", "short", "refused"] as const) {
      let lied = 0;
      await pull((request, response) => {
        const { from, end } = range(request.headers.range);
        const bounded = /-\d+$/.test(request.headers.range ?? "");
        if (bounded && lie === "refused") {
          return void response.writeHead(403, { lied: ++lied }).end();
        }
        const shift = bounded && lie === "wrong" ? 1 : 0;
        if (bounded) lied++;
        response.writeHead(request.headers.range === undefined ? 200 : 206, {
          "accept-ranges": "bytes",
          ...request.headers.range && {
            "content-range": `bytes ${from + shift}-${end - 1}/${SIZE}`,
          },
        });
        const body = layer.subarray(from, end);
        slowly(bounded && lie === "short" ? body.subarray(0, body.length - 1) : body, response);
      });
      assert.ok(lied > 0, lie);
    }
  });
});
