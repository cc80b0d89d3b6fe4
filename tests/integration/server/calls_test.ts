import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect, createServer, type Socket } from "node:net";
import { Client, credentials, status as Status } from "@grpc/grpc-js";
import { defaultConfig } from "../../../src/config/mod.ts";
import { criClient } from "../../harness/cri_client.ts";
import { POD, served } from "./served.ts";

describe("a call", () => {
  it("tells the domain when its deadline has passed", async () => {
    await using crid = await served();
    const reason = Promise.withResolvers<{ code: string }>();
    crid.pods.hang = (why) => reason.resolve(why as { code: string });
    // Long enough for the call to come to the server, whatever else the machine does.
    const call = crid.client.runtime.runPodSandbox({ config: POD }, { timeoutMs: 2_000 });
    await assert.rejects(call, { code: Status.DEADLINE_EXCEEDED });
    assert.equal((await reason.promise).code, "deadline_exceeded");
  });

  it("tells the domain when its client has cancelled", async () => {
    await using crid = await served();
    const reason = Promise.withResolvers<{ code: string }>();
    crid.pods.hang = (why) => reason.resolve(why as { code: string });
    const controller = new AbortController();
    const call = crid.client.runtime.runPodSandbox({ config: POD }, { signal: controller.signal });
    const cancelled = assert.rejects(call, { code: Status.CANCELLED });
    while (crid.pods.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort();
    await cancelled;
    assert.equal((await reason.promise).code, "cancelled");
  });

  it("tells the domain when its client's connection breaks", async () => {
    await using crid = await served();
    const reason = Promise.withResolvers<{ code: string }>();
    crid.pods.hang = (why) => reason.resolve(why as { code: string });
    const wire = await breakable(crid.socketPath);
    using client = criClient(wire.path);
    const call = client.runtime.runPodSandbox({ config: POD }).catch(() => {});
    while (crid.pods.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    wire.cut();
    await call;
    assert.equal((await reason.promise).code, "cancelled");
  });

  it("leaves the signal alone when all went well", async () => {
    let signal: AbortSignal | undefined;
    const exec = (_request: unknown, given: AbortSignal) => {
      signal = given;
      return Promise.resolve("http://x");
    };
    await using crid = await served({ streams: { exec, attach: exec, portForward: fail } });
    await crid.client.runtime.exec({ containerId: "c", cmd: ["x"], stdout: true });
    await crid.client.runtime.version();
    assert.equal(signal?.aborted, false);
  });

  it("takes messages up to the configured size, and no larger ones", async () => {
    const config = defaultConfig();
    const api = { ...config.api, grpc_max_recv_msg_size: 100_000, grpc_max_send_msg_size: 50_000 };
    await using crid = await served({ config: () => ({ ...config, api }) });
    const { runtime } = crid.client;
    const withAnnotation = (length: number) => ({ ...POD, annotations: { a: "x".repeat(length) } });
    await runtime.runPodSandbox({ config: withAnnotation(40_000) });
    assert.equal((await runtime.listPodSandbox()).items.length, 1);
    await assert.rejects(runtime.runPodSandbox({ config: withAnnotation(100_001) }), {
      code: Status.RESOURCE_EXHAUSTED,
    });
    await runtime.runPodSandbox({ config: withAnnotation(40_000) });
    await assert.rejects(runtime.listPodSandbox(), { code: Status.RESOURCE_EXHAUSTED });
  });

  it("takes and sends tens of megabytes", async () => {
    await using crid = await served();
    const annotations = { a: "x".repeat(10_000_000) };
    await crid.client.runtime.runPodSandbox({ config: { ...POD, annotations } });
    const [pod] = (await crid.client.runtime.listPodSandbox()).items;
    assert.equal(pod?.annotations["a"]?.length, 10_000_000);
  });

  it("of an unknown method or with a broken message hurts nobody", async () => {
    await using crid = await served();
    const client = new Client(`unix:${crid.socketPath}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    const call = (path: string, bytes: number[]) =>
      new Promise((resolve, reject) =>
        client.makeUnaryRequest(
          path,
          (value: number[]) => Buffer.from(value),
          (value: Buffer) => value,
          bytes,
          (error, value) => error === null ? resolve(value) : reject(error),
        )
      );
    await assert.rejects(call("/runtime.v1alpha2.RuntimeService/Version", []), {
      code: Status.UNIMPLEMENTED,
    });
    await assert.rejects(call("/runtime.v1.RuntimeService/StopPodSandbox", [0x0a, 0xff, 1]), {
      code: Status.INTERNAL,
    });
    client.close();
    assert.equal((await crid.client.runtime.version()).runtimeApiVersion, "v1");
  });
});

/** Another socket that leads to `path`, until it is cut. */
async function breakable(path: string): Promise<{ path: string; cut(): void }> {
  const sockets: Socket[] = [];
  const proxy = createServer((socket) => {
    const onward = connect(path);
    for (const end of [socket, onward]) end.on("error", () => {});
    socket.pipe(onward).pipe(socket);
    sockets.push(socket, onward);
  });
  await new Promise<void>((resolve) => proxy.listen({ path: `${path}.proxy` }, () => resolve()));
  return {
    path: `${path}.proxy`,
    cut: () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
}

function fail(): Promise<never> {
  return Promise.reject(new Error("not asked for"));
}
