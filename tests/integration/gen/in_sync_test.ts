import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";

const GENERATED = "src/gen/runtime/v1/api.ts";

describe("src/gen", () => {
  it("is what `deno task gen` makes of the proto file", async () => {
    const directory = await Deno.makeTempDir({ prefix: "crid-gen-" });
    try {
      const root = new URL("../../../", import.meta.url);
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["task", "gen", "--output", directory],
        cwd: root,
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      const fresh = await Deno.readTextFile(`${directory}/${GENERATED}`);
      const kept = await Deno.readTextFile(new URL(GENERATED, root));
      assert.ok(
        fresh === kept,
        "src/gen is out of date: run `deno task gen` and commit the result",
      );
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
});
