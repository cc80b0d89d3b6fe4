/**
 * Runs test files once more on a native build with AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { buildNative, type NativeTarget } from "../../scripts/build/native.ts";

/** Test files that run at once: they wait most of their time. */
const LANES = 3;

/** What {@linkcode passSanitized} builds and runs. */
export interface SanitizedRun {
  readonly target: NativeTarget;
  /** The environment variable by which the test files take the path of another build. */
  readonly variable: string;
  /** Of test files; all of them but `except` are run. */
  readonly directory: string;
  readonly except: string;
}

/** @throws {AssertionError} with what failed, or with a sanitizer's report. */
export async function passSanitized(
  { target, variable, directory, except }: SanitizedRun,
): Promise<void> {
  const out = await Deno.makeTempDir({ prefix: "crid-sanitized-" });
  try {
    const env = {
      [variable]: await buildNative(target, { out, variant: "sanitized" }),
      ASAN_OPTIONS: `log_path=${out}/report`,
      UBSAN_OPTIONS: `log_path=${out}/report:print_stacktrace=1`,
      NO_COLOR: "1",
    };
    const files = Array.from(Deno.readDirSync(directory), ({ name }) => join(directory, name))
      .filter((path) => path.endsWith("_test.ts") && path !== except);
    assert.ok(files.length > 0, `tests in ${directory}`);
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
    for (const { name } of Deno.readDirSync(out)) {
      if (name.startsWith("report")) assert.fail(Deno.readTextFileSync(join(out, name)));
    }
    assert.deepEqual(failed, []);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}
