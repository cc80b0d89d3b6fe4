import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type Registry, startRegistry } from "../../harness/mod.ts";
import { pushTestImages } from "../../images/mod.ts";
import { type CliNode, makeCliNode } from "./cli_node.ts";

const LAYERS = 3;

/** What a terminal of so many columns shows in the end: enough of one for bars. */
function shown(output: string, columns: number): string[] {
  const lines: string[] = [""];
  let row = 0;
  // deno-lint-ignore no-control-regex
  const tokens = /\x1b\[(\d*)([AK])|\r|\n|[^\x1b\r\n]+/g;
  for (const [token, number, command] of output.matchAll(tokens)) {
    if (command === "A") row -= Number(number);
    else if (command === "K") lines[row] = "";
    else if (token === "\n") lines[++row] ??= "";
    else if (token !== "\r") lines[row] += token;
    assert.ok(row >= 0, "the cursor leaves what was drawn");
    assert.ok((lines[row]?.length ?? 0) < columns, `a line wraps: ${lines[row]}`);
  }
  return lines.map((line) => line.trimEnd()).filter((line) => line !== "");
}

describe("crid image on a terminal", () => {
  let registry: Registry;
  let node: CliNode;
  const named = (name: string) => `${registry.host}/crid/${name}:latest`;

  before(async () => {
    registry = await startRegistry();
    await pushTestImages(registry.url, ["crid/bench-small", "crid/many-layers"]);
    node = await makeCliNode([registry.host]);
  });
  after(async () => {
    await node[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  it("draws a bar for each layer, over and over in its place", async () => {
    const { code, stdout } = await node.onTerminal(
      { columns: 80, rows: 24 },
      "pull",
      named("bench-small"),
    );
    assert.equal(code, 0, stdout);
    const lines = shown(stdout, 80);
    assert.match(lines[0]!, /^Pulling /);
    const bars = lines.slice(1, 1 + LAYERS);
    for (const bar of bars) assert.match(bar, /^[0-9a-f]{12} {2}█{28} {2}[\d.]+ [kM]B$/);
    assert.match(lines.at(-1)!, /^[0-9a-f]{64}$/);
    assert.equal(lines.length, LAYERS + 2);
    const again = await node.onTerminal({ columns: 80, rows: 24 }, "pull", named("bench-small"));
    assert.equal(
      shown(again.stdout, 80).filter((line) => /already there$/.test(line)).length,
      LAYERS,
    );
  });

  it("keeps to a terminal that is narrow and low", async () => {
    const size = { columns: 30, rows: 6 };
    const drawn = await node.onTerminal(size, "pull", named("many-layers"));
    assert.equal(drawn.code, 0, drawn.stdout);
    const id = /[0-9a-f]{64}/.exec(drawn.stdout)![0];
    const [title, ...lines] = drawn.stdout.replace(id, "").split("\n");
    assert.match(title!, /^Pulling /);
    const bars = shown(lines.join("\n"), 30);
    assert.ok(bars.length <= 5, bars.join("\n"));
    for (const bar of bars) assert.match(bar, /^[0-9a-f]{12} {2}(█+|already there)$/);
    const quiet = await node.onTerminal(size, "pull", "--quiet", named("many-layers"));
    assert.equal(quiet.stdout.trim(), id);
  });

  it("does not write an archive to it, nor read one from it", async () => {
    const size = { columns: 80, rows: 24 };
    const saved = await node.onTerminal(size, "save", named("bench-small"));
    assert.equal(saved.code, 1);
    assert.match(saved.stdout, /an archive is nothing for a terminal: use --output/);
    const loaded = await node.onTerminal(size, "load");
    assert.equal(loaded.code, 1);
    assert.match(loaded.stdout, /there is no archive: name one, or send it to standard input/);
  });

  it("ends with 1 and says why when it is called wrongly or cannot do it", async () => {
    const cases = [
      [["pull"], /Incorrect Usage.*Usage:/s],
      [["pull", "--nosuch", "a"], /Incorrect Usage.*nosuch/s],
      [["nosuch"], /Incorrect Usage.*nosuch/s],
      [["tag", "nosuch"], /Incorrect Usage/],
      [["save", "--format", "zip", "--output", "/nonexistent/x", "a"], /--format zip is none of/],
      [["pull", "UPPER/case"], /UPPER\/case/],
      [["push", "nosuch"], /nosuch/],
      [["remove", "nosuch"], /nosuch/],
      [["mount", "nosuch"], /nosuch/],
      [["load", "/etc/passwd"], /\/etc\/passwd/],
    ] as const;
    for (const [args, said] of cases) {
      const { code, stdout, stderr } = await node.crid(...args);
      assert.equal(code, 1, args.join(" "));
      assert.match(stdout + stderr, said);
      assert.doesNotMatch(stdout + stderr, /^ +at .*\.[tj]s:\d+/m, "no stack for users");
    }
  });

  it("helps with each command and ends with 0", async () => {
    const { code, stdout } = await node.crid();
    assert.equal(code, 0);
    const commands = Array.from(
      stdout.matchAll(/^ {2}([a-z]+)(?:, [a-z, ]+)? {2,}\S/gm),
      ([, name]) => name!,
    );
    assert.ok(commands.length >= 10, stdout);
    await Promise.all(["pull", "load", "save"].map(async (command) => {
      assert.ok(commands.includes(command));
      const help = await node.crid(command, "--help");
      assert.equal(help.code, 0);
      assert.match(help.stdout, new RegExp(`crid image ${command}.*Flags:`, "s"));
    }));
  });
});
