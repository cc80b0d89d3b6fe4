import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "@std/path";
import { describe, it } from "@std/testing/bdd";
import { DirectoryFiles } from "../../../src/oci/directory_files.ts";
import { hookApplies, parseHookFile } from "../../../src/oci/hooks/hook_file.ts";

const hookFile = (when: unknown, stages: unknown = ["prestart"], hook: unknown = { path: "/h" }) =>
  JSON.stringify({ version: "1.0.0", hook, when, stages });

describe("a hook file", () => {
  const SUBJECT = {
    args: ["/usr/bin/nginx", "-g"],
    annotations: { "com.example.hook": "yes", other: "1" },
    hasBindMounts: true,
  };
  const applies = (when: unknown, subject: Partial<typeof SUBJECT> = {}) =>
    hookApplies(parseHookFile(hookFile(when)).when, { ...SUBJECT, ...subject });

  it("is for the containers that meet every condition it gives", () => {
    assert.equal(applies({ always: true }), true);
    assert.equal(applies({ always: false }), false);
    assert.equal(applies({}), false);
    assert.equal(applies({ hasBindMounts: true }), true);
    assert.equal(applies({ hasBindMounts: true }, { hasBindMounts: false }), false);
    assert.equal(applies({ commands: ["^/bin/", "nginx$"] }), true);
    assert.equal(applies({ commands: ["^nginx"] }), false);
    assert.equal(applies({ annotations: { "^com\\.example\\.hook$": "^y" } }), true);
    assert.equal(applies({ annotations: { "^com\\.example\\.hook$": "^n" } }), false);
    assert.equal(applies({ always: true, commands: ["^/bin/"] }), false);
  });

  it("names a program, its arguments and the stages", () => {
    const hook = { path: "/bin/h", args: ["h", "x"], env: ["A=b"], timeout: 3 };
    const file = parseHookFile(hookFile({ always: true }, ["createRuntime", "poststop"], hook));
    assert.deepEqual(file.hook, hook);
    assert.deepEqual(file.stages, ["createRuntime", "poststop"]);
  });

  it("may be of version 0.1.0, where one condition that holds is enough", () => {
    const first = { hook: "/bin/h", arguments: ["x"], stage: ["prestart"], cmd: ["^/bin/"] };
    const file = parseHookFile(JSON.stringify({ ...first, annotations: ["^yes$", "^no$"] }));
    assert.deepEqual(file.hook, { path: "/bin/h", args: ["/bin/h", "x"] });
    assert.deepEqual(file.stages, ["prestart"]);
    assert.equal(hookApplies(file.when, SUBJECT), true);
    assert.equal(hookApplies(file.when, { ...SUBJECT, annotations: {} }), false);
    assert.equal(hookApplies(parseHookFile(JSON.stringify(first)).when, SUBJECT), false);
  });

  it("says what is wrong with it", () => {
    assert.throws(() => parseHookFile("{"), SyntaxError);
    assert.throws(() => parseHookFile('{"version":"2.0.0"}'), /version "2.0.0" is neither/);
    assert.throws(() => parseHookFile(hookFile({}, [])), /stages: there is none/);
    assert.throws(() => parseHookFile(hookFile({}, ["never"])), /"never" is no stage/);
    assert.throws(
      () => parseHookFile(hookFile({}, ["prestart"], { path: "h" })),
      /hook.path "h" is not an absolute path/,
    );
    assert.throws(() => parseHookFile(hookFile({ commands: ["("] })), /regular expression/i);
    assert.throws(() => parseHookFile(hookFile({ always: "yes" })), /neither true nor false/);
  });
});

describe("the files of configuration directories", () => {
  it("are what is there at the moment, parsed once for each state", async () => {
    const root = await Deno.makeTempDir({ prefix: "crid-files-" });
    try {
      const [first, second] = [join(root, "1"), join(root, "2")];
      for (const directory of [first, second]) await mkdir(directory);
      let parsed = 0;
      const files = new DirectoryFiles("thing", /\.json$/, (text) => {
        parsed++;
        return JSON.parse(text) as unknown;
      });
      const read = async () =>
        (await files.read([first, join(root, "missing"), second]))
          .map(({ name, directory, content }) => [name, directory, content]);
      assert.deepEqual(await read(), []);
      await writeFile(join(second, "b.json"), "1");
      await writeFile(join(second, "a.json"), "2");
      await writeFile(join(first, "b.json"), "3");
      await writeFile(join(first, "README"), "not JSON");
      const all = [["b.json", 0, 3], ["a.json", 2, 2], ["b.json", 2, 1]];
      assert.deepEqual(await read(), all);
      assert.deepEqual(await read(), all);
      assert.equal(parsed, 3);
      await writeFile(join(first, "b.json"), "broken");
      assert.deepEqual(await read(), all.slice(1));
      await writeFile(join(first, "b.json"), "[45]");
      await rm(join(second, "a.json"));
      assert.deepEqual(await read(), [["b.json", 0, [45]], ["b.json", 2, 1]]);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
