import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";

const BDD = new URL("../../bdd.ts", import.meta.url).href;

/** Runs a file of tests; what it said, without colours. */
async function outcome(tests: string): Promise<{ code: number; text: string }> {
  const directory = await Deno.makeTempDir({ prefix: "crid-bdd-" });
  try {
    const file = `${directory}/some_test.ts`;
    const head = `import { after, afterEach, before, beforeEach, describe, it } from "${BDD}";\n`;
    await Deno.writeTextFile(file, head + tests);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--no-config", "--no-lock", file],
      env: { NO_COLOR: "1" },
    }).output();
    return { code, text: [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join() };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

describe("a test", () => {
  for (const hook of ["after", "afterEach", "before", "beforeEach"]) {
    it(`fails when ${hook} throws, also later`, async () => {
      const throwing = `${hook}(async () => { await 1; throw new Error("because"); });`;
      const { code, text } = await outcome(`describe("group", () => {
  ${throwing}
  it("test", () => {});
});`);
      assert.notEqual(code, 0, text);
      assert.match(text, /because/);
    });
  }

  it("tells of its own failure and of that of its cleaning up", async () => {
    const { code, text } = await outcome(`describe("group", () => {
  afterEach(() => { throw new Error("left over"); });
  it("test", () => { throw new Error("wrong"); });
});`);
    assert.notEqual(code, 0);
    assert.match(text, /wrong/);
    assert.match(text, /left over/);
  });
});

describe("hooks", () => {
  const log: string[] = [];
  beforeEach(() => void log.push("outer before"));
  afterEach(() => void log.push("outer after"));

  describe("of a group in a group", () => {
    beforeEach(() => void log.push("inner before"));
    afterEach(() => void log.push("inner after"));
    it("have not run before the first test", () => {
      assert.deepEqual(log, ["outer before", "inner before"]);
    });
    it("run around each test, the outer ones outside", () => {
      assert.deepEqual(log.slice(2, 4), ["inner after", "outer after"]);
      assert.deepEqual(log.slice(4), ["outer before", "inner before"]);
    });
  });

  it("of a group are not for tests outside of it", () => {
    assert.equal(log.at(-1), "outer before");
    assert.equal(log.filter((entry) => entry === "inner after").length, 2);
  });
});
