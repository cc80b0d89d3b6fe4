import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { join } from "@std/path";
import { cridCommand } from "../../harness/mod.ts";

/** What the status API of CRI-O answers, so that `crid status` can ask either daemon. */
const ANSWERS: Readonly<Record<string, string>> = {
  "/config": '[crio]\nroot = "/r"\n',
  "/info": JSON.stringify({
    storage_driver: "overlay",
    storage_image: "",
    storage_root: "/var/lib/containers/storage",
    cgroup_driver: "cgroupfs",
    default_id_mappings: {
      uids: [{ container_id: 0, host_id: 100000, size: 65536 }],
      gids: [{ container_id: 0, host_id: 0, size: 4294967295 }],
    },
  }),
  "/containers/abc": '{"name":"k8s_a","pid":42,"image":"busybox","image_ref":"sha256:1",' +
    '"created_time":1767225600123456789,"labels":{"b":"2","a":"1"},"annotations":null,' +
    '"crio_annotations":{"io.kubernetes.cri-o.x":"y"},"log_path":"/l","root":"/m",' +
    '"sandbox":"s","ip_addresses":["10.0.0.1","fd00::1"],"host_network":false}',
  "/debug/goroutines": "nothing to do\n",
  "/debug/heap": "\x00heap",
};

describe("crid status", () => {
  let server: Server;
  let directory: string;
  let socket: string;

  before(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-status-" });
    socket = join(directory, "crio.sock");
    server = createServer(({ url = "" }, response) => {
      const body = ANSWERS[url];
      const missing = `can't find the container with id ${url.split("/").at(-1)}\n`;
      response.writeHead(body === undefined ? 404 : 200).end(body ?? missing);
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });

  after(async () => {
    await new Promise((resolve) => server.close(resolve));
    await Deno.remove(directory, { recursive: true });
  });

  async function status(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const [program, ...own] = cridCommand();
    const { code, stdout, stderr } = await new Deno.Command(program!, {
      args: [...own, "status", ...args],
      cwd: directory,
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  }

  it("info prints drivers, storage and id mappings", async () => {
    assert.equal(
      (await status("--socket", socket, "info")).out,
      `cgroup driver: cgroupfs
storage driver: overlay
storage graph root: /var/lib/containers/storage
storage image: 
default GID mappings (format <container>:<host>:<size>):
  0:0:4294967295
default UID mappings (format <container>:<host>:<size>):
  0:100000:65536
`,
    );
  });

  it("containers prints a container line by line, in CRI-O's order", async () => {
    assert.equal(
      (await status("-s", socket, "containers", "--id", "abc")).out,
      `name: k8s_a
pid: 42
image: busybox
image ref: sha256:1
created: 2026-01-01T00:00:00.123Z
labels:
  a: 1
  b: 2
annotations:
CRI-O annotations:
  io.kubernetes.cri-o.x: y
log path: /l
graph root: /m
sandbox: s
ips: 10.0.0.1, fd00::1
`,
    );
  });

  it("says in the server's words that there is no such container, and ends with 1", async () => {
    const { code, err } = await status("-s", socket, "s", "-i", "notexists");
    assert.equal(code, 1);
    assert.match(err, /level=fatal msg="can't find the container with id notexists"/);
  });

  it("config and goroutines print the answer as it is, the socket's flag at either place", async () => {
    assert.equal((await status("-s", socket, "c")).out, ANSWERS["/config"]);
    assert.equal((await status("g", `--socket=${socket}`)).out, ANSWERS["/debug/goroutines"]);
  });

  it("heap writes a file that only its owner reads, or standard output", async () => {
    const file = join(directory, "heap.out");
    const { err } = await status("-s", socket, "heap", "-f", file);
    assert.match(err, new RegExp(`Wrote heap dump to: ${file}`));
    assert.equal(await Deno.readTextFile(file), ANSWERS["/debug/heap"]);
    assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
    assert.equal((await status("-s", socket, "hp", "-f", "-")).out, ANSWERS["/debug/heap"]);
    await status("-s", socket, "heap");
    const names = Array.from(Deno.readDirSync(directory), ({ name }) => name);
    assert.ok(names.some((name) => /^crio-heap-[\dT.-]+Z\.out$/.test(name)));
  });

  it("alone prints help and ends with 0", async () => {
    const { code, out } = await status();
    assert.equal(code, 0);
    assert.match(out, /^crid status: .*\n\nUsage:\n {2}crid status \[flags\] <command>/);
  });
});
