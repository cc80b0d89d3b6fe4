import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import process from "node:process";
import { after, before, describe, it } from "@std/testing/bdd";
import { exited } from "../../harness/mod.ts";
import {
  ALL,
  eventually,
  leavesNothing,
  OUTPUTS,
  type StreamNode,
  streamNode,
  TERMINAL,
  until,
  VOLUME,
} from "./node.ts";

/** Copies its input to both outputs, line by line. */
const ECHO = "while read line; do echo out $line; echo err $line >&2; done; echo over";

for (const monitor of ["conmon", "native"] as const) {
  describe(`attach through ${monitor === "native" ? "our monitor" : "conmon"}`, () => {
    let node: StreamNode;
    before(async () => {
      node = await streamNode({ monitor, runtime: monitor === "native" ? "crun" : "runc" });
    });
    after(() => leavesNothing(node));

    const container = (script: string, config: Parameters<StreamNode["container"]>[0] = {}) =>
      node.container({ command: ["sh", "-c", script], stdin: true, ...config });
    /** Attaches and waits until a line goes through: only then the monitor knows the client. */
    const attached = async (id: string, types = ALL) => {
      const client = await node.attach(id, types);
      await eventually(async () => {
        await client.stdin!.write("hello?\n");
        return client.stdout!.size > 0 || undefined;
      }, "an answer");
      return client;
    };

    it("carries input, output and errors", async () => {
      const id = await container(ECHO);
      const client = await attached(id);
      let [out, err] = ["", ""];
      client.stdout!.onData = (data) => out += data;
      client.stderr!.onData = (data) => err += data;
      await client.stdin!.write("question\n");
      await eventually(() => out.includes("out question\n") || undefined, "the answer");
      await eventually(() => err.includes("err question\n") || undefined, "the error");
      client.connection.close();
    });

    it("closes the container's input with the first client's when stdin_once says so", async () => {
      const id = await container(ECHO, { stdinOnce: true });
      const client = await attached(id);
      await client.stdin!.end();
      assert.match(await client.stdout!.text(), /over\n$/);
      assert.match(await client.error.text(), /Success/);
      assert.equal((await exited(node.crid, id)).exitCode, 0);
      client.connection.close();
    });

    it("leaves the container's input open without stdin_once, for the next client", async () => {
      const id = await container(ECHO);
      const first = await attached(id);
      await first.stdin!.end();
      await first.error.all();
      first.connection.close();
      const second = await attached(id);
      let out = "";
      second.stdout!.onData = (data) => out += data;
      await second.stdin!.write("second\n");
      await eventually(() => out.includes("out second\n") || undefined, "the answer");
      second.connection.close();
    });

    it("shows the output to every client, and takes input from each", async () => {
      const id = await container(ECHO);
      const clients = await Promise.all(Array.from({ length: 5 }, () => attached(id)));
      const seen = clients.map(() => "");
      clients.forEach(({ stdout }, index) => {
        stdout!.onData = (data) => seen[index] = `${seen[index]}${data}`;
      });
      for (const [index, { stdin }] of clients.entries()) await stdin!.write(`from ${index}.\n`);
      for (const [index] of clients.entries()) {
        await eventually(
          () => seen.every((text) => text.includes(`out from ${index}.\n`)) || undefined,
          `everyone sees ${index}`,
        );
      }
      for (const { connection } of clients) connection.close();
    });

    it("gives a terminal the client's size, its keys, and leaves it by ctrl-p ctrl-q", async () => {
      const id = await container("while read line; do stty size; done", { tty: true });
      const client = await node.attach(id, TERMINAL);
      let out = "";
      client.stdout!.onData = (data) => out += data;
      for (let width = 2; width <= 300; width++) {
        await client.resize!.write(`{"Width":${width},"Height":40}`);
      }
      await eventually(async () => {
        await client.stdin!.write("size\n");
        return out.includes("40 300\r\n") || undefined;
      }, "the last size of many").catch((error) =>
        assert.fail(`${error.message}: ${out.slice(-300)}`)
      );
      await client.stdin!.write("\x10\x11");
      await client.error.all();
      client.connection.close();
      const again = await node.attach(id, TERMINAL);
      await eventually(async () => {
        await again.stdin!.write("still there\n");
        return again.stdout!.size > 0 || undefined;
      }, "the container goes on");
      again.connection.close();
    });

    it("ends when the container does", async () => {
      const id = await container("read line; exec sleep 100000");
      const client = await node.attach(id, ALL);
      await client.stdin!.write("go\n");
      await until(node, id, "cat /proc/1/comm", "sleep");
      await node.crid.client.runtime.stopContainer({ containerId: id, timeout: 0n });
      await client.error.all();
      await client.connection.closed;
      await assert.rejects(node.attach(id, OUTPUTS), /not.?found/i);
    });

    it("lets go of a client that reads nothing; the container does not wait", async () => {
      const id = await container(
        "while :; do head -c 100000 /dev/zero | tr '\\0' x; echo; echo beat >> /tmp/beats; done",
      );
      const client = await node.attach(id, OUTPUTS);
      await eventually(() => client.stdout!.size > 0 || undefined, "output");
      client.connection.socket.pause();
      const beats = async () => Number(await node.look(id, "wc -l < /tmp/beats"));
      // More than all buffers on the way could hold.
      const start = await beats();
      await eventually(async () => await beats() > start + 200 || undefined, "the container runs");
      client.connection.close();
      await node.crid.client.runtime.stopContainer({ containerId: id, timeout: 0n });
    });

    it("carries much input without a wrong byte", async () => {
      const id = await container("sha256sum", { stdinOnce: true });
      const client = await node.attach(id, ALL);
      await client.stdout!.replied.promise;
      const block = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
      const sum = createHash("sha256");
      for (let sent = 0; sent < VOLUME; sent += block.length) {
        block.writeUInt32LE(sent);
        sum.update(block);
        await client.stdin!.write(Buffer.from(block));
      }
      await client.stdin!.end();
      assert.equal((await client.stdout!.text()).split(" ")[0], sum.digest("hex"));
      client.connection.close();
    });

    it("says that the monitor is gone", async () => {
      const id = await container("sleep 100000");
      const { info } = await node.crid.client.runtime.containerStatus({
        containerId: id,
        verbose: true,
      });
      const { pid } = JSON.parse(info["info"]!);
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      process.kill(Number(/^PPid:\s+(\d+)/m.exec(status)![1]), "SIGKILL");
      const said = await eventually(async () => {
        const client = await node.attach(id, OUTPUTS).catch(() => undefined);
        const text = await client?.error.text();
        client?.connection.close();
        return text?.includes("does not answer") ? text : undefined;
      }, "an error");
      assert.match(said, /"status":"Failure"/);
    });
  });
}
