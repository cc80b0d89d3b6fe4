import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import { prepareContainer } from "./monitor.ts";
import { buildPeer, Peer, runPeer } from "./attach_client.ts";

describe("the monitor's notify socket", () => {
  let stage: Stage;
  let peer = "";

  before(async () => {
    stage = await makeStage();
    peer = await buildPeer(stage.directory);
  });

  after(() => stage[Symbol.asyncDispose]());

  for (const runtime of RUNTIMES) {
    it(`passes on what is allowed and nothing else (${runtime})`, async () => {
      const listening = join(stage.directory, `${runtime}.sock`);
      await using manager = new Peer(peer, ["listen", listening]);
      const options = {
        ...{ stage, monitor: "ours", runtime, script: "sleep 1000" } as const,
        args: ["--sdnotify-socket", listening],
      };
      await using container = await prepareContainer(options);
      await container.exists(listening);
      await Deno.mkdir(container.path("notify"));
      container.launch(options);
      await container.created();
      const socket = container.path("notify/notify.sock");
      const send = (text: string) => runPeer(peer, "datagram", socket, text);

      await send("READY=1\nMAINPID=5\nSTATUS=fine");
      await send("FDSTORE=1\nREADY=2");
      await send("WATCHDOG=1\n\nRELOADING=1\nMONOTONIC_USEC=9\n");
      await manager.said("MONOTONIC_USEC=9\n");
      const passed = "READY=1\nSTATUS=fine\nWATCHDOG=1\nRELOADING=1\nMONOTONIC_USEC=9\n";
      assert.equal(manager.stdout, passed);

      await runPeer(peer, "datagrams", socket, "500", "7");
      await send("STOPPING=1");
      await manager.said("STOPPING=1\n");
      await container.kill();
      assert.equal(await container.end(), "137");
    });
  }
});
