import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { join } from "@std/path";
import { after, before, describe, it } from "@std/testing/bdd";
import { run } from "../../../src/linux/mod.ts";
import { commandClient } from "../../harness/spdy_client.ts";
import { execUrl, served } from "./fake_sources.ts";

let directory: string;
/** Certificate and key that sign themselves. */
const certificate = async (name: string) => {
  const [cert, key] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)];
  const { code, stderr } = await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-days", "2", "-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-out", cert, "-keyout", key],
  ]);
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return { cert, key };
};

/** What a client sees of the server: its name and suite, and the answer to a request. */
function request(port: number, options: ConnectionOptions = {}) {
  return new Promise<{ name: string; suite: string; answer: string }>((resolve, reject) => {
    const socket: TLSSocket = connect({
      host: "127.0.0.1",
      port,
      rejectUnauthorized: false,
      ...options,
    });
    let answer = "";
    let seen = { name: "", suite: "" };
    socket.once("secureConnect", () => {
      const { subject } = socket.getPeerCertificate();
      seen = { name: String(subject?.CN), suite: socket.getCipher().standardName };
      socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    });
    socket.on("data", (data) => answer += String(data));
    socket.once("error", reject);
    socket.once("close", () => resolve({ ...seen, answer: answer.split("\r\n")[0]! }));
  });
}

describe("the streaming server over TLS", () => {
  before(async () => {
    directory = await Deno.makeTempDir();
  });
  after(() => Deno.remove(directory, { recursive: true }));

  const tls = ({ cert, key }: { cert: string; key: string }) => ({
    certificate: cert,
    key,
    clientAuthorities: "",
    minVersion: "VersionTLS12",
    cipherSuites: [],
  });

  it("offers https URLs and answers there", async () => {
    const own = await certificate("own");
    await using streams = await served({ tls: tls(own) });
    assert.match(execUrl(streams.server), /^https:/);
    const { name, answer } = await request(streams.server.port);
    assert.equal(name, "own");
    assert.match(answer, / 404 /);
  });

  it("carries binary data both ways without a change, also for a client that is slow", async () => {
    await using streams = await served({ tls: tls(await certificate("carrier")) });
    const started = streams.sources.started();
    const url = execUrl(streams.server, { stdin: true });
    const client = await commandClient(url, ["stdin", "stdout", "stderr"]);
    const command = await started;
    command.stdin!.pipe(command.stdout, { end: false });
    command.stdin!.once("end", () => command.exit(0));
    const { socket } = client.connection;
    const naps = setInterval(() => socket.isPaused() ? socket.resume() : socket.pause(), 10);
    const sent = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
    for (let index = 0; index < 50; index++) await client.stdin!.write(sent);
    await client.stdin!.end();
    const received = await client.stdout!.all();
    clearInterval(naps);
    assert.ok(received.equals(Buffer.concat(Array(50).fill(sent))));
    client.connection.close();
  });

  it("uses a new certificate from the moment it is there, and keeps the old when it is bad", async () => {
    const current = await certificate("first");
    await using streams = await served({ tls: tls(current) });
    assert.equal((await request(streams.server.port)).name, "first");
    const next = await certificate("second");
    await Deno.rename(next.key, current.key);
    await Deno.rename(next.cert, current.cert);
    const limit = Date.now() + 5000;
    while ((await request(streams.server.port)).name !== "second") {
      assert.ok(Date.now() < limit, "the certificate is not taken");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await Deno.writeTextFile(current.cert, "no certificate");
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal((await request(streams.server.port)).name, "second");
  });

  it("takes only clients with a certificate when there are authorities", async () => {
    const [own, friend, stranger] = await Promise.all(
      ["server", "friend", "stranger"].map((name) => certificate(name)),
    );
    await using streams = await served({
      tls: { ...tls(own!), clientAuthorities: friend!.cert },
    });
    const { port } = streams.server;
    const as = async ({ cert, key }: { cert: string; key: string }) => ({
      cert: await Deno.readTextFile(cert),
      key: await Deno.readTextFile(key),
    });
    assert.match((await request(port, await as(friend!))).answer, / 404 /);
    const refused = (options?: ConnectionOptions) =>
      request(port, options).then(({ answer }) => answer, () => "");
    assert.equal(await refused(), "");
    assert.equal(await refused(await as(stranger!)), "");
  });

  it("keeps to the versions and suites of the configuration", async () => {
    const own = await certificate("strict");
    const suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    await using listed = await served({ tls: { ...tls(own), cipherSuites: [suite] } });
    const curl = async (port: number, ...args: string[]) =>
      (await run("curl", ["-sk", "-o", "/dev/null", ...args, `https://127.0.0.1:${port}/`])).code;
    const tls12 = ["--tls-max", "1.2", "--ciphers"];
    const { port } = listed.server;
    assert.equal(await curl(port, ...tls12, "ECDHE-ECDSA-AES128-GCM-SHA256"), 0);
    assert.notEqual(await curl(port, ...tls12, "ECDHE-ECDSA-AES256-GCM-SHA384"), 0);
    assert.equal(await curl(port, "--tlsv1.3"), 0);
    await using newest = await served({ tls: { ...tls(own), minVersion: "VersionTLS13" } });
    assert.notEqual(await curl(newest.server.port, "--tls-max", "1.2"), 0);
    assert.equal(await curl(newest.server.port), 0);
  });

  it("says which file is missing", async () => {
    const own = await certificate("half");
    await assert.rejects(served({ tls: tls({ ...own, cert: "" }) }), /cert path is empty/);
    await assert.rejects(served({ tls: tls({ ...own, key: "" }) }), /key path is empty/);
    await assert.rejects(served({ tls: tls({ ...own, key: "/no/such" }) }), /\/no\/such/);
  });
});
