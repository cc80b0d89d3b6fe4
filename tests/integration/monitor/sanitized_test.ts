import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { buildNative, MONITOR } from "../../../scripts/build/native.ts";

const HERE = new URL(".", import.meta.url).pathname;
/** Test files that run at once: they wait most of their time. */
const LANES = 3;

describe("the monitor with sanitizers", () => {
  it("passes every test of this directory without a report", async () => {
    const directory = await Deno.makeTempDir({ prefix: "crid-sanitized-" });
    try {
      const env = {
        CRID_TEST_MONITOR: await buildNative(MONITOR, { out: directory, variant: "sanitized" }),
        ASAN_OPTIONS: `log_path=${directory}/report`,
        UBSAN_OPTIONS: `log_path=${directory}/report:print_stacktrace=1`,
        NO_COLOR: "1",
      };
      const files = Array.from(Deno.readDirSync(HERE), ({ name }) => join(HERE, name))
        .filter((path) => path.endsWith("_test.ts") && path !== import.meta.filename);
      assert.ok(files.length > 10);
      const failed: string[] = [];
      const lane = async () => {
        for (let file = files.pop(); file !== undefined; file = files.pop()) {
          const { success, stdout } = await new Deno.Command(Deno.execPath(), {
            ...{ args: ["test", "-A", "--no-check", file], env, stderr: "null" },
          }).output();
          const said = new TextDecoder().decode(stdout);
          if (!success) failed.push(said.slice(Math.max(0, said.indexOf(" ERRORS "))));
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      for (const { name } of Deno.readDirSync(directory)) {
        if (name.startsWith("report")) assert.fail(Deno.readTextFileSync(join(directory, name)));
      }
      assert.deepEqual(failed, []);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
});
