import assert from "node:assert/strict";
import { connect as connectTls } from "node:tls";
import { join } from "@std/path";
import { after, before, describe, it } from "@std/testing/bdd";
import { run } from "../../../src/linux/mod.ts";
import {
  ALL,
  eventually,
  leavesNothing,
  OUTPUTS,
  type StreamNode,
  streamNode,
  TERMINAL,
  until,
} from "./node.ts";

/** Below those that the kernel gives out by itself. */
const PORT = 10_000 + crypto.getRandomValues(new Uint16Array(1))[0]! % 20_000;

let directory: string;
const file = (name: string) => join(directory, name);

/** A certificate that signs itself, with the name. */
async function certify(name: string): Promise<void> {
  const { code, stderr } = await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-days", "2", "-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-out", file("new.crt"), "-keyout", file("new.key")],
  ]);
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  await Deno.rename(file("new.key"), file("key"));
  await Deno.rename(file("new.crt"), file("crt"));
}

/** The numbers of a list such as `0-2,5` in a text. */
function listed(where: RegExp, text: string): number[] {
  return where.exec(text)![1]!.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, index) => first! + index);
  });
}

describe("crid's streaming server as it is configured", () => {
  let node: StreamNode;
  let id: string;
  before(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-streams-" });
    await certify("first");
    node = await streamNode({
      handlers: 'exec_cpu_affinity = "first"',
      settings: `
[crio.api]
stream_address = "::1"
stream_port = "${PORT}"
stream_enable_tls = true
stream_tls_cert = ${JSON.stringify(file("crt"))}
stream_tls_key = ${JSON.stringify(file("key"))}
stream_idle_timeout = "2s"
tls_min_version = "VersionTLS13"
`,
    });
    id = await node.container();
  });
  after(async () => {
    await leavesNothing(node);
    await Deno.remove(directory, { recursive: true });
  });

  const port = async () => {
    const request = { containerId: id, cmd: ["true"], stdout: true };
    return Number(new URL((await node.crid.client.runtime.exec(request)).url).port);
  };
  /** The name in the server's certificate. */
  const name = async (maxVersion: "TLSv1.2" | "TLSv1.3" = "TLSv1.3") => {
    const socket = connectTls({
      host: "::1",
      port: await port(),
      rejectUnauthorized: false,
      maxVersion,
    });
    return await new Promise<string>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("secureConnect", () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
    });
  };

  it("serves over TLS on its address and port", async () => {
    assert.equal(await port(), PORT);
    const client = await node.shell(id, "echo secret; exit 4", OUTPUTS);
    assert.equal(await client.stdout!.text(), "secret\n");
    assert.match(await client.error.text(), /"message":"4"/);
    client.connection.close();
  });

  it("closes a session without data after the idle timeout, and not one with", async () => {
    const silent = await node.exec(id, ["sleep", "1000"], OUTPUTS);
    const busy = await node.exec(id, ["cat"], ALL);
    const closed = silent.connection.closed.then(() => "closed");
    let over: string | undefined;
    closed.then((text) => over = text);
    await eventually(async () => {
      await busy.stdin!.write("x");
      return over;
    }, "the silent session is closed");
    await busy.stdin!.end();
    await busy.stdout!.all();
    assert.match(await busy.error.text(), /Success/);
    busy.connection.close();
  });

  it("keeps to the oldest TLS version that is allowed", async () => {
    await assert.rejects(name("TLSv1.2"));
    assert.equal(await name("TLSv1.3"), "first");
  });

  it("pins commands to the first CPU of a container that has CPUs of its own", async () => {
    const allowed = listed(
      /^Cpus_allowed_list:\s+(.*)$/m,
      await Deno.readTextFile("/proc/self/status"),
    );
    const cpusetCpus = allowed.slice(-2).join(",");
    const own = await node.container({ linux: { resources: { cpusetCpus } } });
    const cpus = "grep Cpus_allowed_list /proc/self/status";
    const first = `Cpus_allowed_list:\t${allowed.at(-2) ?? allowed[0]}`;
    // What a busy kernel has not moved yet before 6.2 is pinned soon after its start.
    const client = await node.shell(own, `sleep 0.5; ${cpus}`, OUTPUTS);
    assert.equal(await client.stdout!.text(), `${first}\n`);
    client.connection.close();
    assert.equal(await node.look(own, `sleep 0.5; ${cpus}`), first);
    assert.equal(await node.look(id, cpus), await node.look(id, cpus.replace("self", "1")));
  });

  it("takes a new certificate without a restart", async () => {
    await certify("second");
    await eventually(async () => await name() === "second" || undefined, "the new certificate");
    assert.match(node.crid.log, /TLS enabled for streaming server.*reloading certificates/s);
  });

  it("ends its sessions when crid stops or dies, and serves new ones when it is back", async () => {
    for (const end of ["stop", "kill9"] as const) {
      const clients = [await node.exec(id, ["cat"], ALL), await node.exec(id, ["cat"], TERMINAL)];
      for (const { stdin, stdout } of clients) {
        await stdin!.write("x\n");
        await eventually(() => stdout!.size > 0 || undefined, "the command runs");
      }
      await node.crid[end]();
      for (const { connection } of clients) await connection.closed;
      await node.crid.start();
      await until(node, id, "ps | grep -c '[c]at$'", "0");
    }
  });
});
