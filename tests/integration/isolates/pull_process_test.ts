import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { PullProcess } from "../../../src/isolates/pull_process.ts";

/** More of the shortest messages than a process may leave unread. */
const MESSAGES = 200_000;

/** Programs in the place of crid, which do not do what a process of pulls does. */
describe("a process of pulls", () => {
  let directory: string;

  before(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-pull-process-" });
  });
  after(async () => {
    Deno.env.delete("CRID_SELF");
    await Deno.remove(directory, { recursive: true });
  });

  /** @returns The process, and its pid when it has ended. */
  async function start(script: string, place = () => Promise.resolve()) {
    const program = join(directory, "crid");
    await Deno.writeTextFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    Deno.env.set("CRID_SELF", program);
    const { promise: end, resolve } = Promise.withResolvers<number>();
    const options = { version: "1", place, onGone: () => {}, onEnd: resolve };
    return { process: await PullProcess.start(options), end };
  }

  it("that reads nothing of what it is told is ended", async () => {
    const { process, end } = await start("exec sleep 100000");
    for (let channel = 0; channel < MESSAGES; channel++) process.forgetChannel(channel);
    assert.equal(await end, process.pid);
    await process[Symbol.asyncDispose]();
  });

  it("that says what is no message is ended", async () => {
    const { process, end } = await start("echo no message of any kind; exec sleep 100000");
    assert.equal(await end, process.pid);
    await process[Symbol.asyncDispose]();
  });

  it("that does not end when it is told to is ended", async () => {
    const { process, end } = await start("exec sleep 100000");
    await process[Symbol.asyncDispose]();
    assert.equal(await end, process.pid);
  });

  it("that cannot be put where it belongs is not left running", async () => {
    const pids = join(directory, "pids");
    await assert.rejects(
      start(`echo $$ > ${pids}; exec sleep 100000`, async () => {
        while (!await Deno.stat(pids).then(({ size }) => size > 0, () => false)) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        throw new Error("no such cgroup");
      }),
      /no such cgroup/,
    );
    const pid = Number(await Deno.readTextFile(pids));
    const limit = Date.now() + 10_000;
    while (await Deno.stat(`/proc/${pid}/exe`).then(() => true, () => false)) {
      assert.ok(Date.now() < limit, "it goes on");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  it("that is not there is an error", async () => {
    Deno.env.set("CRID_SELF", join(directory, "missing"));
    const options = { version: "1", place: () => Promise.resolve(), onGone() {}, onEnd() {} };
    await assert.rejects(PullProcess.start(options), /ENOENT/);
  });
});
