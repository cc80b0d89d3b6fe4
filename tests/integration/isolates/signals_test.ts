import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import process from "node:process";
import { join } from "@std/path";
import { type Crid, isolate, podConfig, runPod, startCrid } from "../../harness/mod.ts";

const LOOK_MS = 20;
const LIMIT_MS = 10_000;

describe("a signal for the operator", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;

  before(async () => {
    const isolation = stack.use(await isolate());
    const umask = Deno.umask(0o077);
    try {
      crid = stack.use(await startCrid({ isolation }));
    } finally {
      Deno.umask(umask);
    }
  });
  after(() => stack.disposeAsync());

  /** The text of a file of crid's TMPDIR, once it is there. */
  async function written(name: RegExp): Promise<string> {
    for (const limit = Date.now() + LIMIT_MS; Date.now() < limit;) {
      for await (const entry of Deno.readDir(crid.node.directory)) {
        if (!name.test(entry.name)) continue;
        const text = await Deno.readTextFile(join(crid.node.directory, entry.name));
        if (text !== "") return text;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    throw new Error(`nobody has written ${name}`);
  }

  it("has crid write down its calls (SIGUSR1) or free its memory (SIGUSR2), and go on", async () => {
    process.kill(crid.pid, "SIGUSR1");
    process.kill(crid.pid, "SIGUSR2");
    assert.equal(
      await written(/^crio-goroutine-stacks-[\dT-]+Z\.log$/),
      "0 calls running (crid has no goroutines)\n",
    );
    assert.equal((await crid.client.runtime.version()).runtimeName, "cri-o");
  });

  it("or a umask of whoever starts crid, is no reason for files that a pod cannot read", async () => {
    const id = await runPod(crid, podConfig(crid));
    const directory = join(crid.node.runRoot, "overlay-containers", id, "userdata");
    for (const name of ["resolv.conf", "hostname"]) {
      assert.equal((await Deno.stat(join(directory, name))).mode! & 0o777, 0o644, name);
    }
    await crid.removePods();
  });
});
