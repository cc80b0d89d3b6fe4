import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "@std/path";
import process from "node:process";
import { after, before, describe, it } from "@std/testing/bdd";
import { setTimeout as pause } from "node:timers/promises";
import {
  type Exited,
  forgetMonitor,
  isAlive,
  listContainers,
  readExit,
  reopenLog,
  resizeTerminal,
  startContainer,
  watchExits,
} from "../../../src/oci/mod.ts";
import { listKernelDirectory, processArguments } from "../../../src/linux/mod.ts";
import { isCode } from "../../../src/failure/mod.ts";
import { makePlace, type Place } from "./fixture.ts";

describe("the monitor of a container", () => {
  let place: Place;
  before(async () => {
    place = await makePlace();
  });
  after(() => place[Symbol.asyncDispose]());

  /** A runtime that is a shell script; what it does not do itself it leaves to runc. */
  const scripted = async (script: string) => {
    const path = join(place.directory, `runtime-${crypto.randomUUID()}`);
    await writeFile(path, `#!/bin/sh\n${script}\nexec runc "$@"\n`);
    await chmod(path, 0o755);
    return { ...place.handler("runc"), path };
  };
  const onCreate = (commands: string) => `case "$*" in *" create "*) ${commands};; esac`;

  it("reports what a failing runtime said, without the frame of its log", async () => {
    const handler = await scripted(
      onCreate(`echo 'time="now" level=error msg="it is \\"broken\\""' >&2; exit 1`),
    );
    await assert.rejects(place.create({ handler, run: "true" }), (error: Error) => {
      assert.equal(error.message, 'container create failed: it is "broken"');
      return true;
    });
    assert.deepEqual(left(place), []);
  });

  it("reports a runtime that fails without a word", async () => {
    const handler = await scripted(onCreate("exit 1"));
    await assert.rejects(place.create({ handler, run: "true" }), /container create failed: /);
    assert.deepEqual(left(place), []);
  });

  it("is given up with a hung runtime, and nothing of either is left", async () => {
    const handler = { ...await scripted(onCreate("sleep 77101")), createTimeout: 1 };
    const start = performance.now();
    await assert.rejects(
      place.create({ handler, run: "true" }),
      (error: Error) =>
        isCode(error, "deadline_exceeded") && /create container timeout/.test(error.message),
    );
    assert.ok(performance.now() - start < 30_000);
    assert.deepEqual(left(place), []);
    assert.deepEqual(running("77101"), []);
    assert.deepEqual((await readdir(place.directory)).filter((file) => file.endsWith(".log")), []);
  });

  it("does not keep a runtime that prints 200 kB to its error stream for ever", async () => {
    const noise = "i=0; while [ $i -lt 2000 ]; do echo " + "x".repeat(100) +
      " >&2; i=$((i+1)); done";
    const handler = { ...await scripted(onCreate(`${noise}; exit 1`)), createTimeout: 2 };
    // conmon does not read it before the runtime has ended, which then never does.
    await assert.rejects(
      place.create({ handler, run: "true" }),
      /create (container timeout|failed)/,
    );
    assert.deepEqual(left(place), []);
  });

  it("is killed with the runtime when the caller gives up", async () => {
    const handler = await scripted(onCreate("sleep 77102"));
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("never mind")), 300);
    await assert.rejects(
      place.create({ handler, run: "true", request: { signal: controller.signal } }),
      /never mind/,
    );
    assert.deepEqual(running("77102"), []);
    assert.deepEqual(left(place), []);
  });

  it("may answer garbage, or end without an answer", async () => {
    const monitorPath = join(place.directory, "bad-monitor");
    for (
      const [script, message] of [
        ["echo garbage >&3", /no JSON: garbage/],
        ["exit 0", /died without an answer/],
        ["echo 'unknown option' >&2; exit 1", /container create failed: unknown option/],
      ] as const
    ) {
      await writeFile(monitorPath, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const handler = { ...place.handler("runc"), monitorPath };
      await assert.rejects(place.create({ handler, run: "true" }), message);
    }
    const handler = { ...place.handler("runc"), monitorPath: "/no/such/monitor" };
    await assert.rejects(place.create({ handler, run: "true" }), /\/no\/such\/monitor/);
    assert.deepEqual(left(place), []);
  });

  it("is placed before it starts the runtime", async () => {
    const handler = place.handler("runc");
    const before = await listContainers(handler);
    let placed = 0;
    const made = await place.create({
      handler,
      run: "true",
      request: {
        placeMonitor: async (pid) => {
          await pause(50);
          assert.deepEqual(await listContainers(handler), before);
          placed = pid;
        },
      },
    });
    assert.ok(placed > 0);
    assert.equal((await listContainers(handler)).includes(made.id), true);
  });

  it("opens its log anew, and what comes then is in the new file", async () => {
    const handler = place.handler("crun");
    const made = await place.create({ handler, run: "while :; do echo tick; sleep 0.05; done" });
    await startContainer(handler, made.id);
    const old = `${made.logPath}.old`;
    await rename(made.logPath, old);
    await reopenLog(made.bundle, made.logPath);
    const size = (await readFile(old)).length;
    assert.equal(await readFile(made.logPath, "utf8").then(() => true), true);
    await pause(300);
    assert.match(await readFile(made.logPath, "utf8"), /stdout F tick/);
    assert.equal((await readFile(old)).length, size);
    // Nobody has renamed it now, so that it may be a new one or not.
    await reopenLog(made.bundle, made.logPath);
    assert.equal((await stat(made.logPath)).isFile(), true);
  });

  it("cannot open the log of a container whose monitor is gone, and says so", async () => {
    const handler = place.handler("crun");
    const made = await place.create({ handler, run: "sleep 1000" });
    await startContainer(handler, made.id);
    process.kill(made.monitor!.pid, "SIGKILL");
    await made.closed;
    await assert.rejects(reopenLog(made.bundle, made.logPath), /the monitor of .* is gone/);
    await assert.rejects(resizeTerminal(made.bundle, { width: 80, height: 24 }), /is gone/);
    assert.equal(isAlive(made.init), true);
    assert.equal(await readExit(made.persistDir, made.bundle), undefined);
    process.kill(made.init.pid, "SIGKILL");
  });

  it("sets the size of a terminal", async () => {
    const handler = place.handler("crun");
    const made = await place.create({
      handler,
      run: "while :; do stty size; sleep 0.1; done",
      input: { tty: true },
      request: { tty: true },
    });
    await startContainer(handler, made.id);
    await resizeTerminal(made.bundle, { width: 123, height: 45 });
    await resizeTerminal(made.bundle, { width: 0, height: 0 });
    await pause(500);
    assert.match(await readFile(made.logPath, "utf8"), /45 123/);
    process.kill(made.init.pid, "SIGKILL");
    await made.closed;
  });

  it("leaves nothing in the shared directories once it is forgotten", async () => {
    const handler = place.handler("crun");
    const made = await place.create({ handler, run: "true" });
    await startContainer(handler, made.id);
    await made.closed;
    const directories = { exitsDir: place.exitsDir, attachDir: join(place.directory, "attach") };
    assert.equal((await readdir(place.exitsDir)).includes(made.id), true);
    await forgetMonitor(directories, made.id);
    await forgetMonitor(directories, made.id);
    for (const directory of Object.values(directories)) {
      assert.equal((await readdir(directory)).includes(made.id), false);
    }
  });
});

describe("the watch over containers' ends", () => {
  it("reports every end once, also when hundreds come while nobody looks", async () => {
    const directory = await Deno.makeTempDir();
    const exitsDir = join(directory, "exits");
    const seen: Exited[] = [];
    const places = (id: string) => ({
      persistDir: join(directory, id),
      bundle: join(directory, id),
    });
    const end = async (id: string, code: number) => {
      await mkdir(join(directory, id), { recursive: true });
      Deno.writeTextFileSync(join(directory, id, "exit"), String(code));
      Deno.writeTextFileSync(join(exitsDir, `${id}.tmp`), String(code));
      Deno.renameSync(join(exitsDir, `${id}.tmp`), join(exitsDir, id));
    };
    await mkdir(exitsDir);
    await end("early", 3);
    {
      await using _ = await watchExits({
        exitsDir,
        locate: (id) => /^(early|c\d+)$/.test(id) ? places(id) : undefined,
        onExit: (exited) => void seen.push(exited),
      });
      // Made in one go: Deno's watcher drops most of these events.
      for (let number = 0; number < 300; number++) {
        Deno.mkdirSync(join(directory, `c${number}`));
        const code = String(number % 256);
        Deno.writeTextFileSync(join(directory, `c${number}`, "exit"), code);
        Deno.writeTextFileSync(join(exitsDir, `c${number}.tmp`), code);
        Deno.renameSync(join(exitsDir, `c${number}.tmp`), join(exitsDir, `c${number}`));
      }
      await end("stranger", 1);
      for (let tries = 0; seen.length < 301 && tries < 100; tries++) await pause(20);
      await pause(50);
    }
    await Deno.remove(directory, { recursive: true });
    assert.equal(seen.length, 301);
    assert.equal(new Set(seen.map((each) => each.id)).size, 301);
    assert.equal(seen.find((each) => each.id === "c299")?.exitCode, 299 % 256);
    assert.equal(seen.find((each) => each.id === "early")?.exitCode, 3);
  });

  /** What is reported of a container of which there is only what announces its end. */
  async function announced(text: string): Promise<Exited> {
    const exitsDir = await Deno.makeTempDir();
    const seen = Promise.withResolvers<Exited>();
    try {
      await using _ = await watchExits({
        exitsDir,
        locate: () => ({ persistDir: "/no/such", bundle: "/no/such" }),
        onExit: seen.resolve,
      });
      await writeFile(join(exitsDir, "lost"), text);
      return await seen.promise;
    } finally {
      await Deno.remove(exitsDir, { recursive: true });
    }
  }

  it("reports the announced code when the monitor could not record it", async () => {
    assert.equal((await announced("7")).exitCode, 7);
  });

  it("reports 255 when the monitor has announced an end and no code", async () => {
    assert.equal((await announced("")).exitCode, 255);
  });
});

/** Monitors and runtimes of this place that still run. */
function left(place: Place): string[] {
  return commandLines().filter((line) => line.includes(place.directory) && !line.includes("deno"));
}

function running(word: string): string[] {
  return commandLines().filter((line) => line.split(" ").includes(word));
}

function commandLines(): string[] {
  return (listKernelDirectory("/proc") ?? [])
    .filter((entry) => Number(entry.name) > 0)
    .map((entry) => processArguments(Number(entry.name)).join(" "));
}
