import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { isCode } from "../../../src/failure/mod.ts";
import { parseChallenges } from "../../../src/image/registry/challenge.ts";
import {
  credentialsFromFiles,
  credentialsFromRequest,
} from "../../../src/image/registry/credentials.ts";
import { parseReference } from "../../../src/image/reference.ts";
import { RegistryClient } from "../../../src/image/registry/client.ts";
import { DEFAULT_RETRY } from "../../../src/image/registry/retry.ts";
import { answer, appDocuments, client, type Handler, serve } from "./registry_double.ts";

const basic = (user: string, password: string) => "Basic " + btoa(`${user}:${password}`);

/** Serves documents to whoever shows one of `accepted`. */
function guarded(accepted: string, challenge: string): Handler {
  const { documents } = appDocuments();
  const serveDocuments = answer(documents);
  return (request, response) => {
    if (request.headers.authorization === accepted) return serveDocuments(request, response);
    response.writeHead(401, { "www-authenticate": challenge }).end();
  };
}

/** A registry with a token server at `/token`, which gives `token` to whoever shows `accepted`. */
function withTokens(accepted: string, token: string, extra = ""): Handler {
  const { documents } = appDocuments();
  return (request, response) => {
    const { authorization } = request.headers;
    if (request.url?.startsWith("/token")) {
      if (accepted !== "" && authorization !== accepted) return void response.writeHead(401).end();
      return void response.end(JSON.stringify({ token }));
    }
    if (authorization === `Bearer ${token}`) return void answer(documents)(request, response);
    const realm = `http://${request.headers.host}/token`;
    response.writeHead(401, {
      "www-authenticate": `Bearer realm="${realm}",service="reg, istry"${extra}`,
    }).end();
  };
}

describe("authentication at a registry", () => {
  it("answers Basic with the credentials of the request", async () => {
    await using registry = await serve(guarded(basic("u", "p:w"), `Basic realm="x"`));
    await using peer = await client(registry.host);
    const image = await peer.resolve(`${registry.host}/app`, { username: "u", password: "p:w" });
    await peer.fetch(image);
    // Once asked, the header goes with each request.
    assert.equal(registry.requests.filter((line) => !line.includes("Basic")).length, 1);
  });

  it("decodes the auth field of the request", async () => {
    await using registry = await serve(guarded(basic("u", "p"), `Basic realm="x"`));
    await using peer = await client(registry.host);
    await peer.resolve(`${registry.host}/app`, { auth: btoa("u:p\0\0") });
  });

  it("says that credentials are missing, and does not show them when they are wrong", async () => {
    await using registry = await serve(guarded(basic("u", "right"), `Basic realm="x"`));
    await using peer = await client(registry.host);
    await assert.rejects(
      () => peer.resolve(`${registry.host}/app`),
      (error) => isCode(error, "unauthenticated") && /none are configured/.test(error.message),
    );
    await assert.rejects(
      () => peer.resolve(`${registry.host}/app`, { username: "u", password: "hunter2" }),
      (error) => isCode(error, "unauthenticated") && !/hunter2|dTpo/.test(error.message),
    );
  });

  it("gets a token without credentials", async () => {
    await using registry = await serve(withTokens("", "tok"));
    await using peer = await client(registry.host);
    await peer.fetch(await peer.resolve(`${registry.host}/app`));
    const token = registry.requests.find((line) => line.includes("/token"))!;
    assert.match(token, /service=reg%2C\+istry/);
    assert.match(token, /scope=repository%3Aapp%3Apull/);
    assert.equal(registry.requests.filter((line) => line.includes("/token")).length, 1);
  });

  it("gets a token with credentials from an auth file", async () => {
    await using registry = await serve(
      withTokens(basic("u", "p"), "tok", `,scope="repository:app:pull"`),
    );
    await using peer = await client(registry.host, {
      auths: { [`${registry.host}`]: { auth: btoa("u:p") } },
    });
    await peer.resolve(`${registry.host}/app`);
    assert.match(registry.requests.find((line) => line.includes("/token"))!, /account=u/);
  });

  it("posts an identity token to the token server", async () => {
    let form = "";
    const { documents } = appDocuments();
    await using registry = await serve(async (request, response) => {
      if (request.url === "/token") {
        for await (const chunk of request) form += chunk;
        return void response.end(`{"access_token":"tok","expires_in":1}`);
      }
      if (request.headers.authorization === "Bearer tok") {
        return answer(documents)(request, response);
      }
      const realm = `http://${request.headers.host}/token`;
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}"` }).end();
    });
    await using peer = await client(registry.host, {
      auths: { [`http://${registry.host}/v1/`]: { identitytoken: "refresh me" } },
    });
    await peer.resolve(`${registry.host}/app`);
    assert.equal(
      form,
      "scope=repository%3Aapp%3Apull&grant_type=refresh_token&client_id=crid&refresh_token=refresh+me",
    );
  });

  it("sends a registry token as it is", async () => {
    await using registry = await serve(guarded("Bearer mine", `Bearer realm="http://unused/"`));
    await using peer = await client(registry.host);
    await peer.resolve(`${registry.host}/app`, { registryToken: "mine" });
  });

  it("asks the base path how to log in when a registry hides what may not be seen", async () => {
    const { documents } = appDocuments();
    await using registry = await serve((request, response) => {
      if (request.headers.authorization === basic("u", "p")) {
        return answer(documents)(request, response);
      }
      if (request.url === "/v2/") {
        return void response.writeHead(401, { "www-authenticate": "Basic" }).end();
      }
      response.writeHead(404).end();
    });
    await using peer = await client(registry.host);
    await peer.resolve(`${registry.host}/app`, { username: "u", password: "p" });
    await assert.rejects(
      () => peer.resolve(`${registry.host}/app`),
      (error) => isCode(error, "not_found"),
    );
  });

  it("does not send credentials to another host that a redirect names", async () => {
    const { documents, layerDigest, layer } = appDocuments();
    await using elsewhere = await serve((_, response) => void response.end(layer));
    await using registry = await serve((request, response) => {
      if (request.headers.authorization !== basic("u", "p")) {
        return void response.writeHead(401, { "www-authenticate": "Basic" }).end();
      }
      if (request.url?.endsWith(layerDigest)) {
        const location = `http://x:y@${elsewhere.host}/signed?key=1`;
        return void response.writeHead(307, { location }).end();
      }
      return answer(documents)(request, response);
    });
    await using peer = await client(registry.host);
    const image = await peer.resolve(`${registry.host}/app`, { username: "u", password: "p" });
    assert.deepEqual(await peer.fetch(image), layer);
    assert.deepEqual(elsewhere.requests, ["GET /signed?key=1"]);
  });

  it("does not let another host that a redirect names choose the token server", async () => {
    const { documents, layerDigest } = appDocuments();
    await using thief = await serve((request, response) => {
      const realm = `http://${request.headers.host}/token`;
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}"` }).end();
    });
    await using registry = await serve((request, response) => {
      if (request.headers.authorization !== basic("u", "p")) {
        return void response.writeHead(401, { "www-authenticate": "Basic" }).end();
      }
      if (request.url?.endsWith(layerDigest)) {
        return void response.writeHead(307, { location: `http://${thief.host}/layer` }).end();
      }
      return answer(documents)(request, response);
    });
    await using peer = await client(registry.host);
    const image = await peer.resolve(`${registry.host}/app`, { username: "u", password: "p" });
    await assert.rejects(peer.fetch(image), (error) => isCode(error, "unauthenticated"));
    assert.deepEqual(thief.requests, ["GET /layer"]);
  });

  it("does not send credentials over plain HTTP where an upload is told to go on", async () => {
    const seen: [url: string, authorization: string | undefined][] = [];
    const registry = new RegistryClient({
      reference: parseReference("registry.example/app"),
      insecure: false,
      credentials: { kind: "basic", username: "u", password: "p" },
      userAgent: "test",
      retry: DEFAULT_RETRY,
      transport: () =>
        Promise.resolve({
          send({ url, headers }) {
            seen.push([url.href, headers.authorization]);
            const status = seen.length === 1 ? 401 : 200;
            return Promise.resolve({
              status,
              headers: new Headers({ "www-authenticate": "Basic" }),
              url,
              body: (async function* () {})(),
              discard: () => {},
            });
          },
          [Symbol.dispose]: () => {},
        }),
    });
    const signal = new AbortController().signal;
    const upload = (scheme: string) =>
      new URL(`${scheme}://registry.example/v2/app/blobs/uploads/1`);
    await registry.send({ what: "begin", path: "blobs/uploads/", method: "POST" }, signal);
    await registry.send({ what: "go on", path: upload("https"), method: "PATCH" }, signal);
    await registry.send({ what: "go on", path: upload("http"), method: "PATCH" }, signal);
    assert.equal(seen.at(-2)?.[1], "Basic dTpw");
    assert.deepEqual(seen.at(-1), [upload("http").href, undefined]);
  });

  it("does not send the request's credentials to a mirror", async () => {
    const { documents } = appDocuments();
    await using mirror = await serve(answer(documents));
    await using registry = await serve(answer(documents));
    const conf = `
      [[registry]]
      location = "${registry.host}"
      insecure = true
      [[registry.mirror]]
      location = "${mirror.host}"
      insecure = true`;
    await using peer = await client(registry.host, { conf });
    const image = await peer.resolve(`${registry.host}/app`, { username: "u", password: "p" });
    assert.equal(image.name, `${registry.host}/app:latest`);
    assert.equal(registry.requests.length, 0);
    assert.ok(mirror.requests.every((line) => !line.includes("Basic")));
  });

  it("goes on to the registry when a mirror has nothing, and tells of both when neither has", async () => {
    const { documents } = appDocuments();
    let there = true;
    await using mirror = await serve((_, response) => void response.writeHead(404).end());
    await using registry = await serve((request, response) =>
      there ? answer(documents)(request, response) : void response.writeHead(404).end()
    );
    const conf = `
      [[registry]]
      location = "${registry.host}"
      insecure = true
      [[registry.mirror]]
      location = "${mirror.host}/mirrored"
      insecure = true`;
    await using peer = await client(registry.host, { conf });
    await peer.resolve(`${registry.host}/app`);
    there = false;
    await assert.rejects(
      () => peer.resolve(`${registry.host}/app`),
      (error) =>
        isCode(error, "not_found") && error.message.includes(registry.host) &&
        error.message.includes(`${mirror.host}/mirrored/app`),
    );
  });

  it("refuses to send credentials over plain HTTP for a registry that is not insecure", async () => {
    const { authorize } = await import("../../../src/image/registry/authorization.ts");
    await assert.rejects(
      () =>
        authorize([{ scheme: "bearer", parameters: { realm: "http://a.b/token" } }], {
          host: "a.b",
          repository: "app",
          credentials: { kind: "basic", username: "u", password: "p" },
          plainHttp: "refused",
          send: () => Promise.reject(new Error("must not be sent")),
        }),
      (error) => isCode(error, "unauthenticated") && /plain HTTP/.test(error.message),
    );
  });
});

describe("challenges", () => {
  it("are read with quotes, escapes, and several in one header", () => {
    assert.deepEqual(
      parseChallenges(`Bearer realm="https://a/t?x=1,2",service="a\\"b", scope=x, Basic realm="r"`),
      [
        {
          scheme: "bearer",
          parameters: { realm: "https://a/t?x=1,2", service: 'a"b', scope: "x" },
        },
        { scheme: "basic", parameters: { realm: "r" } },
      ],
    );
    assert.deepEqual(parseChallenges("Basic"), [{ scheme: "basic", parameters: {} }]);
  });

  it("are given up where they cannot be read, in no time", () => {
    for (
      const text of [
        "",
        "=",
        '"',
        `Bearer realm="`,
        "\\".repeat(100_000),
        `a="${"\\".repeat(9000)}`,
      ]
    ) {
      const started = performance.now();
      parseChallenges(text);
      assert.ok(performance.now() - started < 5000, text.slice(0, 20));
    }
  });
});

describe("credentials", () => {
  async function lookUp(files: unknown[], reference: string) {
    const root = await Deno.makeTempDir({ prefix: "crid-auth-" });
    try {
      const paths = [`${root}/absent.json`];
      for (const [index, content] of files.entries()) {
        paths.push(`${root}/${index}`);
        const text = typeof content === "string" ? content : JSON.stringify(content);
        await Deno.writeTextFile(`${root}/${index}`, text);
      }
      return await credentialsFromFiles(paths, parseReference(reference));
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  }
  const user = (name: string) => ({ auth: btoa(`${name}:pw`) });

  it("are those of the most specific key", async () => {
    const file = { auths: { "h:5": user("host"), "h:5/a": user("a"), "h:5/a/b": user("ab") } };
    for (const [reference, name] of [["h:5/x", "host"], ["h:5/a/x", "a"], ["h:5/a/b", "ab"]]) {
      const found = await lookUp([file], reference!);
      assert.equal(found.kind === "basic" && found.username, name);
    }
    assert.equal((await lookUp([file], "other/a.b/c")).kind, "none");
  });

  it("are found under the keys that docker writes", async () => {
    const file = { auths: { "https://index.docker.io/v1/": user("hub") } };
    const found = await lookUp([file], "busybox");
    assert.equal(found.kind === "basic" && found.username, "hub");
  });

  it("are those of the first file that has any", async () => {
    const found = await lookUp([
      { auths: { "a.b": {} } },
      "",
      { auths: { "a.b": user("second") } },
      { auths: { "a.b": user("third") } },
    ], "a.b/c");
    assert.equal(found.kind === "basic" && found.username, "second");
  });

  it("do not appear in the error about a broken file", async () => {
    await assert.rejects(
      () => lookUp([`{"auths": {"a.b": {"auth": "c2VjcmV0"`], "a.b/c"),
      (error) => isCode(error, "failed_precondition") && !error.message.includes("c2VjcmV0"),
    );
  });

  it("of a request that are malformed count as none", () => {
    const empty = {
      username: "",
      password: "",
      auth: "",
      serverAddress: "",
      identityToken: "",
      registryToken: "",
    };
    assert.deepEqual(credentialsFromRequest(empty), { kind: "none" });
    assert.deepEqual(credentialsFromRequest({ ...empty, auth: "%%%" }), { kind: "none" });
    assert.deepEqual(credentialsFromRequest({ ...empty, auth: btoa(":x") }), { kind: "none" });
  });
});
