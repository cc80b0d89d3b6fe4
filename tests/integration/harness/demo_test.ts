import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { exit, start } from "../../../src/linux/mod.ts";

const DEMO = fileURLToPath(new URL("../../../scripts/demo.ts", import.meta.url));

describe("the demo", () => {
  let directory: string;

  before(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-demo-" });
  });
  after(() => Deno.remove(directory, { recursive: true }));

  /** Runs the demo with `directory` for temporary files; `onLine` sees what it prints. */
  const run = async (onLine: (line: string, pid: number) => void) => {
    // From source, unless a built file is to be tested.
    const binary = Deno.env.get("CRID_BINARY") ?? "";
    const env = { ...Deno.env.toObject(), TMPDIR: directory, CRID_BINARY: binary };
    const child = start(Deno.execPath(), ["run", "--allow-all", DEMO], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines: string[] = [];
    createInterface({ input: child.stdout! }).on("line", (line) => {
      lines.push(line);
      onLine(line, child.pid!);
    });
    const { code } = await exit(child, "demo");
    return { code, text: lines.join("\n") };
  };

  const assertNothingLeft = async () => {
    assert.deepEqual(Array.from(Deno.readDirSync(directory), ({ name }) => name), []);
    const processes: string[] = [];
    for await (const { name } of Deno.readDir("/proc")) {
      const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
      if (command.includes(directory)) processes.push(command.replaceAll("\0", " "));
    }
    assert.deepEqual(processes, []);
    assert.doesNotMatch(await Deno.readTextFile("/proc/self/mountinfo"), new RegExp(directory));
  };

  it("leads a pod through its life and leaves nothing behind", async () => {
    const { code, text } = await run(() => {});
    assert.equal(code, 0, text);
    assert.match(text, /hello from demo, process 1/);
    assert.match(text, /hello over the network/);
    assert.match(text, /stop container.*exit code 0/);
    assert.match(text, /nothing left behind/);
    await assertNothingLeft();
  });

  it("leaves nothing behind when it is stopped in the middle", async () => {
    const { code, text } = await run((line, pid) => {
      if (/✓ read its log/.test(line)) process.kill(pid, "SIGINT");
    });
    assert.equal(code, 1, text);
    assert.match(text, /stopped by SIGINT; everything was taken away again/);
    await assertNothingLeft();
  });
});
