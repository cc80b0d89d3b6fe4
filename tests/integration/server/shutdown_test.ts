import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { status as Status } from "@grpc/grpc-js";
import { connect } from "node:net";
import type { SandboxConfig } from "../../../src/pod/mod.ts";
import { POD, served } from "./served.ts";

describe("a shutdown", () => {
  it("lets running calls finish and removes the socket", async () => {
    await using crid = await served();
    const { pods } = crid;
    const release = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    pods.runSandbox = async (_config: SandboxConfig) => {
      entered.resolve();
      await release.promise;
      return "made";
    };
    const call = crid.client.runtime.runPodSandbox({ config: POD });
    await entered.promise;
    const closed = crid.server.close();
    setTimeout(release.resolve, 100);
    assert.equal((await call).podSandboxId, "made");
    await closed;
    await assert.rejects(Deno.lstat(crid.socketPath), Deno.errors.NotFound);
  });

  it("does not wait longer than it is told to, and says why a call was cut off", async () => {
    await using crid = await served({ shutdownMs: 100 });
    const reason = Promise.withResolvers<{ code: string }>();
    crid.pods.hang = (why) => reason.resolve(why as { code: string });
    const call = crid.client.runtime.runPodSandbox({ config: POD });
    const refused = assert.rejects(call, {
      code: Status.UNAVAILABLE,
      details: "crid is shutting down; try again later",
    });
    while (crid.pods.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const start = performance.now();
    await crid.server.close();
    await refused;
    assert.equal((await reason.promise).code, "unavailable");
    assert.ok(performance.now() - start < 5000);
  });

  it("closes idle connections of either kind", async () => {
    await using crid = await served();
    await crid.client.runtime.version();
    const silent = connect(crid.socketPath);
    await new Promise<void>((resolve) => silent.once("connect", () => resolve()));
    const closed = new Promise<void>((resolve) => silent.once("close", () => resolve()));
    await crid.server.close();
    await closed;
  });

  it("can be asked for twice", async () => {
    await using crid = await served();
    await Promise.all([crid.server.close(), crid.server.close()]);
    await crid.server.close();
  });
});
