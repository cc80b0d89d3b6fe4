import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import type { OciSpec } from "../../../src/oci/mod.ts";
import { Container, type ContainerParts } from "../../../src/pod/container.ts";
import { settleExit } from "../../../src/pod/container_exit.ts";
import { readState } from "../../../src/pod/container_record.ts";
import type { PodContext } from "../../../src/pod/context.ts";
import { saveState } from "../../../src/pod/state_file.ts";

const EXIT = { code: 7, finishedAt: 2_000_000_000n, oomKilled: false, error: "" };
const OWN_PID_NAMESPACE = { linux: { namespaces: [{ type: "pid" }] } };

let directory: string;

beforeEach(async () => {
  directory = await Deno.makeTempDir();
});

afterEach(async () => {
  await Deno.remove(directory, { recursive: true });
});

/** A container of which no more is there than its state file. */
function container(): Container {
  const parts = { id: "c", sandbox: { id: "s", parts: {} }, createdAt: 1n };
  const spec = { ociVersion: "1.0.2", ...OWN_PID_NAMESPACE };
  return new Container(parts as unknown as ContainerParts, spec as unknown as OciSpec);
}

function context(unmount: () => Promise<void>, told: string[]): PodContext {
  return {
    store: {
      containerDir: () => directory,
      containerRunDir: () => directory,
      unmountContainer: unmount,
    },
    options: { exitsDir: directory },
    imageVolumes: new Map(),
    emit: (type: string) => told.push(type),
  } as unknown as PodContext;
}

describe("the end of a container", () => {
  it("is over for all who have noticed it when it is saved, unmounted and told", async () => {
    const unmounted = Promise.withResolvers<void>();
    const told: string[] = [];
    const pods = context(() => unmounted.promise, told);
    const one = container();
    let settled = 0;
    const first = settleExit(pods, one, EXIT).then(() => settled++);
    const second = settleExit(pods, one, { ...EXIT, code: 255 }).then(() => settled++);
    await one.exited;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(settled, 0);
    assert.equal(one.exit?.code, 7, "the first end counts");
    unmounted.resolve();
    await Promise.all([first, second, one.settled]);
    assert.deepEqual(told, ["stopped"]);
  });

  it("is written down beside its start, whichever of them is noticed first", async () => {
    const pods = context(() => Promise.resolve(), []);
    const one = container();
    const end = settleExit(pods, one, EXIT);
    one.startedAt = 1_000_000_000n;
    saveState(pods, one);
    await end;
    const { startedAt, exit } = readState(
      await Deno.readTextFile(join(directory, "state.json")),
    );
    assert.equal(startedAt, 1_000_000_000n);
    assert.equal(exit?.code, 7);
  });
});
