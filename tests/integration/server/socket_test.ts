import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { listen } from "../../../src/server/socket/listen.ts";
import { served } from "./served.ts";

async function temporary(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "crid-socket-" });
  try {
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A socket file whose server has died without removing it. */
async function leaveStale(path: string): Promise<void> {
  const code = `import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])`;
  const { success } = await new Deno.Command("python3", { args: ["-c", code, path] }).output();
  assert.ok(success);
}

describe("the socket", () => {
  it("is there for owner and group, in a directory that was made for it", async () => {
    await using crid = await served();
    const { mode, isSocket } = await Deno.lstat(crid.socketPath);
    assert.ok(isSocket);
    assert.equal(mode! & 0o777, 0o660);
  });

  it("replaces one that a dead server left", async () => {
    await temporary(async (directory) => {
      const path = `${directory}/s`;
      await leaveStale(path);
      const listener = await listen(path, (socket) => socket.end("hello"));
      const connection = await Deno.connect({ transport: "unix", path });
      const buffer = new Uint8Array(10);
      const length = await connection.read(buffer);
      assert.equal(new TextDecoder().decode(buffer.subarray(0, length!)), "hello");
      connection.close();
      await listener.close();
    });
  });

  it("is left to a server that answers", async () => {
    await using crid = await served();
    await assert.rejects(listen(crid.socketPath, () => {}), {
      code: "already_exists",
      message: new RegExp(`already existing connection on ${crid.socketPath}`),
    });
    assert.equal((await crid.client.runtime.version()).runtimeName, "cri-o");
  });

  it("does not take the place of a file", async () => {
    await temporary(async (directory) => {
      await Deno.writeTextFile(`${directory}/s`, "precious");
      await assert.rejects(listen(`${directory}/s`, () => {}), /is no socket/);
      assert.equal(await Deno.readTextFile(`${directory}/s`), "precious");
    });
  });

  it("goes to exactly one of many that start at once", async () => {
    await temporary(async (directory) => {
      const path = `${directory}/s`;
      await leaveStale(path);
      const started = await Promise.allSettled(
        Array.from({ length: 5 }, () => listen(path, () => {})),
      );
      const won = started.filter((result) => result.status === "fulfilled");
      assert.equal(won.length, 1);
      await won[0]!.value.close();
    });
  });

  it("of another server is not removed on close", async () => {
    await temporary(async (directory) => {
      const path = `${directory}/s`;
      const listener = await listen(path, () => {});
      await Deno.remove(path);
      const other = createServer();
      await new Promise<void>((resolve) => other.listen({ path }, () => resolve()));
      await listener.close();
      assert.ok((await Deno.lstat(path)).isSocket);
      await new Promise<void>((resolve) => other.close(() => resolve()));
    });
  });

  it("says what is wrong when it cannot be bound", async () => {
    await assert.rejects(listen("/proc/none/crid.sock", () => {}), {
      message: /^listen on \/proc\/none\/crid\.sock: /,
    });
    await temporary(async (directory) => {
      const path = `${directory}/${"x".repeat(120)}`;
      await assert.rejects(listen(path, () => {}), { message: /^listen on / });
    });
  });
});
