import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import { type Container, createContainer, logText, MONITORS } from "./monitor.ts";

/** Shows the size of its terminal each time a line is typed. */
const SIZES = "stty -echo; echo ready; while read x; do stty size; done";

describe("the monitor's control FIFOs", () => {
  let stage: Stage;

  before(async () => {
    stage = await makeStage();
  });

  after(() => stage[Symbol.asyncDispose]());

  /** Starts a container that shows its terminal's size, and asks for it. */
  async function sizeOf(container: Container): Promise<string> {
    await container.logged("ready");
    await container.writeStdin("?\n", "\r\n");
    return logText(await container.log()).trim().split("\r\n").at(-1)!;
  }

  /** Waits until the terminal has a size: nothing tells when a monitor has taken a line. */
  async function becomes(container: Container, expected: string): Promise<void> {
    let size = "";
    for (const end = Date.now() + 10_000; size !== expected;) {
      assert.ok(Date.now() < end, `the size is ${size} and not ${expected}`);
      size = await sizeOf(container);
    }
  }

  for (const monitor of MONITORS) {
    for (const runtime of RUNTIMES) {
      describe(`${monitor} with ${runtime}`, () => {
        const make = () =>
          createContainer({ stage, monitor, runtime, script: SIZES, terminal: true });

        it("resize the terminal, also before it is started", async () => {
          await using container = await make();
          await container.control("1 24 81\n");
          await container.start();
          await becomes(container, "24 81");
          await container.control("1 40 100\n");
          await becomes(container, "40 100");
        });
      });
    }
  }

  describe("ours", () => {
    const make = async () => {
      const container = await createContainer({
        ...{ stage, monitor: "ours", runtime: "crun", script: SIZES, terminal: true } as const,
      });
      await container.start();
      return container;
    };

    it("take lines in any pieces", async () => {
      await using container = await make();
      await container.control("1 2");
      await container.control("5 80\n1 26 90\n");
      await becomes(container, "26 90");
    });

    it("lose nothing but the bad line itself", async () => {
      await using container = await make();
      await container.control("garbage\n1 x y\n9 1 1\n1 30 91\n");
      await becomes(container, "30 91");
    });

    it("pass over a line without an end, whatever its length", async () => {
      await using container = await make();
      const pid = await container.monitorPid();
      for (let round = 0; round < 20; round++) await container.control("7".repeat(4096));
      await container.control("\0\0\xff\n1 31 92\n");
      await becomes(container, "31 92");
      const ticks = await Deno.readTextFile(`/proc/${pid}/stat`);
      assert.ok(Number(ticks.split(" ")[13]) < 20, "it has not been busy");
    });

    it("keep the size within what terminals have", async () => {
      await using container = await make();
      await container.control("1 1000 999\n");
      await becomes(container, "1000 999");
      for (const size of ["1001 80", "80 1001", "-1 80", "1e3 80", "0x10 80"]) {
        await container.control(`1 ${size}\n`);
      }
      await settle();
      assert.equal(await sizeOf(container), "1000 999");
    });

    it("take sizes from winsz, too", async () => {
      await using container = await make();
      const file = await open(container.path("winsz"), constants.O_WRONLY | constants.O_NONBLOCK);
      await file.write("33 93\n");
      await file.close();
      await becomes(container, "33 93");
    });

    it("survive any bytes", async () => {
      await using container = await make();
      let seed = 12345;
      const random = () => seed = (seed * 1103515245 + 12345) % 2 ** 31;
      for (let round = 0; round < 300; round++) {
        const bytes = new Uint8Array(random() % 2000).map(() =>
          random() % 4 === 0 ? 0x0a : random() % 3 === 0 ? 0x30 + random() % 10 : random()
        );
        for (const name of ["ctl", "winsz"]) {
          const file = await open(container.path(name), constants.O_WRONLY | constants.O_NONBLOCK);
          await file.write(bytes).catch(() => {}); // full: EAGAIN
          await file.close();
        }
      }
      await settle();
      await container.control("\n1 34 94\n");
      await becomes(container, "34 94");
      await container.kill();
      assert.equal(await container.end(), "137");
    });

    it("are gone after the end", async () => {
      await using container = await make();
      await container.kill();
      await container.end();
      const names = Array.from(Deno.readDirSync(container.bundle), ({ name }) => name);
      for (const name of ["ctl", "winsz", "attach"]) assert.ok(!names.includes(name), name);
      await assert.rejects(Deno.lstat(`${stage.sockets}/${container.id}`));
    });
  });
});

/** Nothing tells when a monitor has taken a line. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100));
}
