import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { buildNative, MONITOR } from "../../../scripts/build/native.ts";

const HERE = new URL(".", import.meta.url).pathname;

describe("the monitor with sanitizers", () => {
  it("passes every test of this directory without a report", async () => {
    const directory = await Deno.makeTempDir({ prefix: "crid-sanitized-" });
    try {
      const program = await buildNative(MONITOR, { out: directory, variant: "sanitized" });
      const { success, stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "-A", "--no-check", `--ignore=${import.meta.filename}`, HERE],
        env: {
          CRID_TEST_MONITOR: program,
          ASAN_OPTIONS: `log_path=${directory}/report`,
          UBSAN_OPTIONS: `log_path=${directory}/report:print_stacktrace=1`,
          NO_COLOR: "1",
        },
        stderr: "null",
      }).output();
      for (const { name } of Deno.readDirSync(directory)) {
        if (name.startsWith("report")) assert.fail(Deno.readTextFileSync(join(directory, name)));
      }
      const said = new TextDecoder().decode(stdout);
      assert.ok(success, said.slice(Math.max(0, said.indexOf(" ERRORS "))));
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
});
