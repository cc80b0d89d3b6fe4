import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { basename, join } from "@std/path";
import {
  containerConfig,
  createContainer,
  type Crid,
  execShell,
  exited,
  isServiceError,
  output,
  podConfig,
  runContainer,
  runPod,
  sharedCrid,
} from "../../harness/mod.ts";
import { NamespaceMode } from "../../../src/gen/runtime/v1/api.ts";

const [ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT] = [6, 9, 3];
/** Far less than a shutdown that gives up takes. */
const QUICK_MS = 10_000;

function hasCode(code: number, text: RegExp) {
  return (error: unknown) =>
    isServiceError(error) && error.code === code && text.test(error.details);
}

describe("what a client claims of a pod", () => {
  let crid: Crid;
  sharedCrid((started) => crid = started);

  function targeting(targetId: string) {
    const namespaceOptions = { pid: NamespaceMode.TARGET, targetId };
    return containerConfig({
      metadata: { name: "debugger" },
      linux: { securityContext: { namespaceOptions } },
    });
  }

  it("is no PID namespace of a container that has ended, nor of another pod's", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const ended = await runContainer(crid, pod, config, containerConfig({ command: ["true"] }));
    await exited(crid, ended);
    await assert.rejects(
      createContainer(crid, pod, config, targeting(ended)),
      hasCode(FAILED_PRECONDITION, /it is not running/),
    );
    const foreign = podConfig(crid);
    const other = await runContainer(crid, await runPod(crid, foreign), foreign, containerConfig());
    await assert.rejects(
      createContainer(crid, pod, config, targeting(other)),
      hasCode(INVALID_ARGUMENT, /it is in another pod/),
    );
    const target = containerConfig({ metadata: { name: "target" } });
    const own = await runContainer(crid, pod, config, target);
    const debug = await runContainer(crid, pod, config, targeting(own));
    assert.match((await execShell(crid, debug, "ps")).stdout, /sleep 100000/);
  });

  it("is no container of the pod's former sandbox", async () => {
    const config = podConfig(crid);
    const former = await runPod(crid, config);
    const first = await createContainer(crid, former, config, containerConfig());
    assert.equal(await createContainer(crid, former, config, containerConfig()), first);

    const next = { ...config, metadata: { ...config.metadata, attempt: 1 } };
    const pod = await runPod(crid, next);
    await assert.rejects(
      createContainer(crid, pod, next, containerConfig()),
      hasCode(ALREADY_EXISTS, /remove that first/),
    );
    await crid.client.runtime.removeContainer({ containerId: first });
    assert.notEqual(await createContainer(crid, pod, next, containerConfig()), first);
  });

  it("has a log also where it names none, below the pod's directory", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const silent = containerConfig({ logPath: "", command: ["echo", "said"] });
    const id = await runContainer(crid, pod, config, silent);
    const { logPath } = await exited(crid, id);
    assert.equal(logPath, join(config.logDirectory!, `${id}.log`));
    assert.match(await Deno.readTextFile(logPath), / said\n$/);
  });

  it("cannot hide the process that holds its PID namespace from the next crid", async () => {
    const config = podConfig(crid, {
      annotations: { "io.kubernetes.cri-o.Spoofed": "true" },
      linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } },
    });
    const pod = await runPod(crid, config);
    await crid.kill9();
    await crid.start();
    const shared = { namespaceOptions: { pid: NamespaceMode.POD } };
    const inPod = containerConfig({ linux: { securityContext: shared } });
    const container = await runContainer(crid, pod, config, inPod);
    assert.match((await execShell(crid, container, "ps")).stdout, /pause/);
  });

  it("waits for a network, and does not keep crid from ending", async () => {
    const conflist = join(crid.node.cniConf, "10-test.conflist");
    const away = join(crid.node.directory, basename(conflist));
    await rename(conflist, away);
    try {
      const config = podConfig(crid);
      const run = assert.rejects(runPod(crid, config));
      while (!crid.log.includes("CNI plugin not ready. Waiting to create")) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const began = performance.now();
      assert.equal(await crid.stop(), 0);
      assert.ok(performance.now() - began < QUICK_MS);
      await run;
    } finally {
      await rename(away, conflist);
      await crid.start();
    }
    assert.doesNotMatch(crid.log, /not shut down after/);
  });

  it("keeps its runtime when another one becomes the default, or its own is configured no more", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const container = await runContainer(crid, pod, config, containerConfig());
    const dropIn = join(crid.node.configDropIns, "90-claims.conf");
    await crid.stop();
    await Deno.writeTextFile(dropIn, '[crio.runtime]\ndefault_runtime = "crun"\n');
    try {
      await crid.start();
      assert.equal((await execShell(crid, container, "echo on")).stdout, "on\n");

      await crid.stop();
      const main = await Deno.readTextFile(crid.node.config);
      await Deno.writeTextFile(
        crid.node.config,
        main.replaceAll("runtimes.runc]", "runtimes.other]"),
      );
      try {
        await crid.start();
        const { status } = await crid.client.runtime.containerStatus({ containerId: container });
        assert.equal(status?.exitCode, 0);
        assert.match(crid.log, /was run by handler \\"runc\\", which is configured no more/);
        await assert.rejects(execShell(crid, container, "true"), hasCode(INVALID_ARGUMENT, /runc/));
        await crid.removePods();
        assert.deepEqual((await crid.client.runtime.listContainers()).containers, []);
        // Nobody could tell the runtime.
        const root = `--root=${join(crid.node.runtimeRoot, "runc")}`;
        await output(crid.isolation, "runc", [root, "delete", "--force", container]);
      } finally {
        await crid.stop();
        await Deno.writeTextFile(crid.node.config, main);
      }
    } finally {
      await Deno.remove(dropIn);
      await crid.stop();
      await crid.start();
    }
  });
});
