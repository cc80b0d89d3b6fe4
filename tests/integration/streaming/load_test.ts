import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "@std/testing/bdd";
import { listKernelDirectory } from "../../../src/linux/mod.ts";
import type { CommandClient } from "../../harness/spdy_client.ts";
import {
  ALL,
  eventually,
  leavesNothing,
  OUTPUTS,
  type StreamNode,
  streamNode,
  TERMINAL,
  VOLUME,
} from "./node.ts";

/** Sends as much as {@linkcode VOLUME} and compares what comes back. */
async function echoVolume(client: CommandClient): Promise<void> {
  const block = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
  const [sent, received] = [createHash("sha256"), createHash("sha256")];
  client.stdout!.onData = (data) => received.update(data);
  for (let size = 0; size < VOLUME; size += block.length) {
    block.writeUInt32LE(size);
    sent.update(block);
    await client.stdin!.write(Buffer.from(block));
  }
  await client.stdin!.end();
  await client.stdout!.all();
  assert.equal(client.stdout!.size, VOLUME);
  assert.equal(received.digest("hex"), sent.digest("hex"));
  client.connection.close();
}

describe("exec under load", () => {
  let node: StreamNode;
  let id: string;
  before(async () => {
    node = await streamNode();
    id = await node.container();
  });
  after(() => leavesNothing(node));

  /** MB of the crid process. */
  const memory = async () => {
    const pids = [node.crid.pid, ...children(node.crid.pid)];
    const sizes = await Promise.all(pids.map(async (pid) => {
      const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
      // Native helpers are small, and of each session.
      return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
    }));
    return sizes.reduce((sum, size) => sum + size, 0);
  };

  it("carries much data both ways at once without a wrong byte", async () => {
    await echoVolume(await node.exec(id, ["cat"], ALL));
  });

  it("carries much data through a terminal that is raw", async () => {
    const size = 1_000_000;
    const client = await node.shell(
      id,
      `stty raw -echo; echo ready; head -c ${size} | sha256sum`,
      TERMINAL,
    );
    let out = "";
    client.stdout!.onData = (data) => out += data;
    await eventually(() => out.includes("ready") || undefined, "the terminal is raw");
    const bytes = Buffer.concat(
      Array.from({ length: 16 }, () => crypto.getRandomValues(new Uint8Array(62_500))),
    );
    await client.stdin!.write(bytes);
    await client.stdout!.all();
    assert.match(out, new RegExp(createHash("sha256").update(bytes).digest("hex")));
    client.connection.close();
  });

  it("carries much output of a terminal", async () => {
    const size = 3_000_000;
    const client = await node.shell(id, `head -c ${size} /dev/zero | tr '\\0' x`, TERMINAL);
    assert.equal((await client.stdout!.all()).length, size);
    client.connection.close();
  });

  it("serves 100 sessions at once", async () => {
    const sessions = Array.from({ length: 100 }, async (_, index) => {
      const client = await node.shell(id, `read line; echo $line-${index}`, ALL);
      await client.stdin!.write("hello\n");
      const text = await client.stdout!.text();
      assert.match(await client.error.text(), /Success/);
      client.connection.close();
      return text;
    });
    const texts = await Promise.all(sessions);
    texts.forEach((text, index) => assert.equal(text, `hello-${index}\n`));
  });

  it("keeps at most 1 MB for each client that reads nothing", async () => {
    const stall = async () => {
      const client = await node.exec(id, ["yes"], OUTPUTS);
      await eventually(() => client.stdout!.size > 0 || undefined, "output");
      client.connection.socket.pause();
      return client;
    };
    // The first ones have garbage made that is not theirs.
    const first = await Promise.all(Array.from({ length: 30 }, stall));
    await settled(memory);
    const before = await memory();
    const clients = await Promise.all(Array.from({ length: 50 }, stall));
    await settled(memory);
    const each = (await memory() - before) / clients.length;
    for (const { connection } of [...first, ...clients]) connection.close();
    assert.ok(each <= 1, `${each.toFixed(2)} MB for each`);
  });

  it("goes on with the others while some clients read nothing", async () => {
    const stalled = await node.exec(id, ["yes"], OUTPUTS);
    await eventually(() => stalled.stdout!.size > 0 || undefined, "output");
    stalled.connection.socket.pause();
    const client = await node.exec(id, ["cat"], ALL);
    await client.stdin!.write("hello");
    await client.stdin!.end();
    assert.equal(await client.stdout!.text(), "hello");
    client.connection.close();
    stalled.connection.close();
  });
});

/** Waits until a figure has stopped to grow. */
async function settled(figure: () => Promise<number>): Promise<void> {
  let last = 0;
  await eventually(async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const now = await figure();
    const still = now <= last + 1;
    last = now;
    return still || undefined;
  }, "the figure settles");
}

/** Processes whose parent is `pid` and that are crid too. */
function children(pid: number): number[] {
  return (listKernelDirectory("/proc") ?? [])
    .map(({ name }) => Number(name))
    .filter((other) => other > 0)
    .filter((other) => {
      try {
        const stat = Deno.readTextFileSync(`/proc/${other}/stat`);
        return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(pid) &&
          !Deno.readTextFileSync(`/proc/${other}/cmdline`).includes("crid-native");
      } catch {
        return false;
      }
    });
}
