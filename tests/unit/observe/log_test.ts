import { afterEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import {
  configureLog,
  configureWorkerLog,
  type Level,
  log,
  logForWorker,
  Logger,
  type LogSink,
  parseFilter,
  parseLevel,
} from "../../../src/observe/mod.ts";

/** Keeps the lines in place of writing them. */
function kept(): LogSink & { readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, write: (line) => void lines.push(line) };
}

const STDERR = { level: "info", format: "text", filter: "", file: "" } as const;
const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z`;

describe("the log", () => {
  afterEach(() => configureLog(STDERR));

  it("writes logrus text, its fields in order and quoted where they must be", () => {
    const sink = kept();
    Logger.configure({ sink });
    log.with({ id: "abc", empty: "" }).info('said "hi"\n', { b: "two words", a: 1, c: undefined });
    assert.match(
      sink.lines[0]!,
      new RegExp(
        String
          .raw`^time="${TIME}" level=info msg="said \\"hi\\"\\n" a=1 b="two words" empty= id=abc\n$`,
      ),
    );
  });

  it("writes logrus JSON, and a field cannot pass for the event's own", () => {
    const sink = kept();
    Logger.configure({ sink, format: "json" });
    log.warn("hello", { level: "forged", n: 5 });
    const event = JSON.parse(sink.lines[0]!);
    assert.deepEqual(Object.keys(event), ["fields.level", "level", "msg", "n", "time"]);
    assert.equal(event.level, "warning");
    assert.equal(event["fields.level"], "forged");
    assert.match(event.time, new RegExp(`^${TIME}$`));
  });

  it("escapes what a terminal would obey", () => {
    const sink = kept();
    Logger.configure({ sink });
    log.info("\x1b[2J\x9b\u202egnp.exe", { image: "a\x7f" });
    assert.match(sink.lines[0]!, /msg="\\u001b\[2J\\u009b\\u202egnp\.exe" image="a\\u007f"/);
  });

  it("leaves out levels below its own", () => {
    const sink = kept();
    const written = (level: Level) => {
      sink.lines.length = 0;
      Logger.configure({ sink, level });
      log.trace("t");
      log.debug("d");
      log.info("i");
      log.warn("w");
      log.error("e");
      return sink.lines.map((line) => /level=(\w+)/.exec(line)![1]);
    };
    assert.deepEqual(written("warning"), ["warning", "error"]);
    assert.deepEqual(written("trace"), ["trace", "debug", "info", "warning", "error"]);
    assert.deepEqual(written("fatal"), []);
  });

  it("keeps only what the filter matches", () => {
    const sink = kept();
    Logger.configure({ sink, filter: parseFilter("(?i)POD") });
    log.info("a pod");
    log.info("a container");
    assert.equal(sink.lines.length, 1);
  });

  it("appends to a file", async () => {
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, "before\n");
      configureLog({ ...STDERR, file });
      log.info("one");
      log.info("two");
      assert.match(await Deno.readTextFile(file), /^before\n.* msg="one"\n.* msg="two"\n$/);
    } finally {
      await Deno.remove(file);
    }
  });

  it("survives a sink that cannot be written", () => {
    configureLog({ ...STDERR, file: "/dev/full" });
    log.info("lost");
  });

  it("is written by the main isolate for a Worker that may not write the file", async () => {
    const file = await Deno.makeTempFile();
    const url = `data:application/typescript,${
      encodeURIComponent(`
        import { configureWorkerLog, log } from "${new URL(
        "../../../src/observe/mod.ts",
        import.meta.url,
      )}";
        self.onmessage = ({ data }) => {
          configureWorkerLog(data);
          log.debug("from the worker", { n: 1 });
          log.info("filtered out");
          self.postMessage("done");
        };`)
    }`;
    try {
      configureLog({ level: "debug", format: "json", filter: "worker", file });
      const settings = logForWorker();
      const worker = new Worker(url, { type: "module", deno: { permissions: "none" } });
      const done = new Promise((resolve) => worker.onmessage = resolve);
      worker.postMessage(settings, settings.port === undefined ? [] : [settings.port]);
      await done;
      // The port's lines and the Worker's message come by two ways; the file says when they are in.
      for await (const _ of until(() => Deno.statSync(file).size > 0));
      worker.terminate();
      settings.port?.close();
      const lines = (await Deno.readTextFile(file)).trim().split("\n");
      assert.equal(lines.length, 1);
      assert.deepEqual(
        { ...JSON.parse(lines[0]!), time: "" },
        { level: "debug", msg: "from the worker", n: 1, time: "" },
      );
    } finally {
      await Deno.remove(file);
    }
  });

  it("needs no port where lines go to standard error", () => {
    configureLog({ ...STDERR, level: "warn" });
    assert.deepEqual(logForWorker(), { level: "warning", format: "text", filter: "" });
    configureWorkerLog({ level: "debug", format: "text", filter: "" });
    assert.ok(log.enabled("debug"));
  });

  it("refuses levels, formats and filters that are none", () => {
    assert.throws(() => parseLevel("loud"), /not a valid logrus Level: "loud"/);
    assert.throws(() => configureLog({ ...STDERR, format: "xml" }), /unknown log-format "xml"/);
    assert.throws(() => configureLog({ ...STDERR, filter: "(" }), SyntaxError);
    assert.throws(
      () => configureLog({ ...STDERR, file: "/nowhere/log" }),
      /open log file \/nowhere\/log: /,
    );
    assert.equal(parseLevel("WARN"), "warning");
  });
});

async function* until(condition: () => boolean): AsyncGenerator<void> {
  while (!condition()) {
    yield;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
