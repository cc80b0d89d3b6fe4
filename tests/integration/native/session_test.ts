import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "@std/path";
import { after, before, describe, it } from "@std/testing/bdd";
import { exit, run, signalChild } from "../../../src/linux/mod.ts";
import {
  deleteContainer,
  makeBundle,
  makeProcess,
  makeStage,
  type Stage,
} from "../monitor/container.ts";
import { helperProgram } from "./helpers.ts";

/** A session that was started, and what came of it. */
interface Session {
  readonly child: ChildProcess;
  readonly pidFile: string;
  /** Exit code, when all output was read. */
  readonly ended: Promise<number>;
  stdout(): string;
  stderr(): string;
  /** Waits until the output has `text` in it. */
  said(text: string): Promise<void>;
  input(bytes: Uint8Array | string): void;
}

function frame(kind: "i" | "s", text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([
    Buffer.from(kind),
    Buffer.of(payload.length >> 8, payload.length & 255),
    payload,
  ]);
}

describe("the native session", () => {
  let stage: Stage;
  let native: string;
  let bundle: string;
  let id: string;
  before(async () => {
    stage = await makeStage();
    native = await helperProgram();
    bundle = await makeBundle(stage, { script: "sleep 1000" });
    id = bundle.split("/").at(-1)!;
    const { code, stderr } = await run(stage.runtime("crun"), [
      "run",
      "--detach",
      "--bundle",
      bundle,
      id,
    ]);
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  });
  after(async () => {
    await deleteContainer(stage.runtime("crun"), id);
    await stage[Symbol.asyncDispose]();
  });

  async function start(
    command: readonly string[],
    { flags = [], terminal = false }: { flags?: readonly string[]; terminal?: boolean } = {},
  ): Promise<Session> {
    const process = await makeProcess(bundle, command, { terminal });
    const pidFile = `${process}.pid`;
    const child = spawn(native, [
      ...["session", ...flags, ...(terminal ? ["-t", bundle] : []), "-w", pidFile, "--"],
      ...[stage.runtime("crun"), "exec", "--detach", "--pid-file", pidFile, "--process", process],
      ...(terminal ? ["--console-socket", "{console}"] : []),
      id,
    ], { stdio: ["pipe", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("latin1").on("data", (text) => out += text);
    child.stderr.on("data", (text) => err += text);
    child.stdin.on("error", () => {});
    const read = Promise.all(
      [child.stdout, child.stderr].map((stream) =>
        new Promise((resolve) => stream.once("close", resolve))
      ),
    );
    return {
      child,
      pidFile,
      ended: exit(child, native).then(async ({ code }) => {
        await read;
        return code;
      }),
      stdout: () => out,
      stderr: () => err,
      async said(text) {
        for (const end = Date.now() + 10_000; !out.includes(text);) {
          assert.ok(Date.now() < end, `waited for ${text} in ${out}`);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
      input: (bytes) => void child.stdin.write(bytes),
    };
  }
  const shell = (script: string, options: Parameters<typeof start>[1] = {}) =>
    start(["/bin/sh", "-c", script], options);

  it("carries a command's streams and ends as it does", async () => {
    const session = await shell("cat; echo bad >&2; exit 3");
    session.input("one\n");
    session.child.stdin!.end("two");
    assert.equal(await session.ended, 3);
    assert.equal(session.stdout(), "one\ntwo");
    assert.equal(session.stderr(), "bad\n");
    assert.ok(Number(await Deno.readTextFile(session.pidFile)) > 0);
  });

  it("with -n gives it a null device of its own for input", async () => {
    const session = await shell("ls -lL /proc/self/fd/0; cat; echo end", { flags: ["-n"] });
    session.input("not for the command");
    assert.equal(await session.ended, 0);
    assert.match(session.stdout(), /^crw-rw-rw- .* 1, +3 .*\nend\n$/);
  });

  it("ends as the runtime does when that fails, with its words and no pid", async () => {
    const session = await start(["/no/such"]);
    assert.notEqual(await session.ended, 0);
    assert.match(session.stderr(), /no\/such/);
    await assert.rejects(Deno.stat(session.pidFile), Deno.errors.NotFound);
  });

  it("says which runtime there is not", async () => {
    const pidFile = join(bundle, "nothing.pid");
    const { code, stderr } = await run(native, ["session", "-w", pidFile, "--", "/no/such"]);
    assert.equal(code, 127);
    assert.match(new TextDecoder().decode(stderr), /\/no\/such: No such file/);
  });

  it("kills the command on SIGTERM", async () => {
    const session = await shell("echo here; sleep 1000");
    await session.said("here");
    signalChild(session.child, "SIGTERM");
    assert.equal(await session.ended, 137);
  });

  it("takes a terminal's input and sizes from frames, in any pieces", async () => {
    const script = "stty -echo; echo ready; while read line; do echo $line; stty size; done";
    const session = await shell(script, { terminal: true });
    await session.said("ready");
    const bytes = Buffer.concat([frame("s", "101 33"), frame("i", ""), frame("i", "first\n")]);
    for (const byte of bytes) session.input(Buffer.of(byte));
    await session.said("first\r\n33 101\r\n");
    const rest = [
      frame("s", "0 0"),
      frame("s", "x"),
      frame("s", "70000 1"),
      frame("i", "second\n"),
    ];
    session.input(Buffer.concat(rest));
    await session.said("second\r\n33 101\r\n");
    session.child.stdin!.end();
    assert.equal(await session.ended, 129, "SIGHUP");
  });

  it("hangs a terminal up that nobody reads any more", async () => {
    const session = await shell("while :; do echo y; done", { terminal: true });
    await session.said("y");
    session.child.stdout!.destroy();
    assert.equal(await session.ended, 129);
  });

  it("carries all output of a terminal whose command has ended", async () => {
    const session = await shell("seq 1 20000", { terminal: true });
    assert.equal(await session.ended, 0);
    const lines = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\r\n`);
    assert.equal(session.stdout(), lines.join(""));
  });

  it("survives any frames", async () => {
    let seed = 4711;
    const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
    for (let round = 0; round < 10; round++) {
      const session = await shell("stty raw -echo; echo ready; exec cat", { terminal: true });
      await session.said("ready"); // before that some keys would be signals
      for (let count = 0; count < 50; count++) {
        const kind = random(4) === 0 ? random(256) : random(2) === 0 ? 0x69 : 0x73;
        const size = random(random(3) === 0 ? 40_000 : 40);
        const payload = Buffer.from(Uint8Array.from({ length: size }, () => 0x20 + random(90)));
        const lie = random(10) === 0 ? random(100) : 0;
        session.input(Buffer.of(kind, (size + lie) >> 8 & 255, (size + lie) & 255));
        session.input(payload);
      }
      session.child.stdin!.end();
      assert.equal(await session.ended, 129);
    }
  });
});
