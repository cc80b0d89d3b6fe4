/**
 * critest by hand:
 *
 * ```
 * deno run -A tests/conformance/run.ts [--runtime runc|crun] [--focus RE]... [--skip RE]...
 *     [--parallel N] [--websocket] [--log FILE] [--grow] [--verbose]
 * ```
 *
 * `--log` keeps what crid logged; `--grow` adds the specs that pass to expected_pass.txt.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type CritestRun, runCritest } from "./critest.ts";
import { expectedPass, grow, judge } from "./expected.ts";

/** Characters of a failure that are shown: gomega prints whole objects. */
const MESSAGE = 600;

const { values } = parseArgs({
  args: Deno.args,
  options: {
    runtime: { type: "string", default: "runc" },
    focus: { type: "string", multiple: true, default: [] },
    skip: { type: "string", multiple: true, default: [] },
    parallel: { type: "string", default: "2" },
    websocket: { type: "boolean", default: false },
    log: { type: "string" },
    grow: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});
const run = await runCritest({
  runtime: values.runtime === "crun" ? "crun" : "runc",
  focus: values.focus,
  skip: values.skip,
  parallel: Number(values.parallel),
  streaming: values.websocket ? "websocket" : "spdy",
  ...(values.verbose ? { onOutput: (line: string) => console.log(line) } : {}),
});
if (values.log !== undefined) {
  await Deno.writeTextFile(values.log, run.log);
  await Deno.writeTextFile(`${values.log}.critest`, run.output);
}
const { unlisted } = judge(run.specs, await expectedPass());
report(run, unlisted);
if (values.grow) await grow(unlisted);

function report({ specs, leftovers }: CritestRun, unlisted: readonly string[]): void {
  const of = (state: string) => specs.filter((spec) => spec.state === state);
  const ran = specs.filter(({ state }) => state !== "skipped" && state !== "pending");
  for (const spec of ran.filter(({ state }) => state !== "passed")) {
    console.log(
      `${spec.state}: ${spec.name} (${spec.seconds.toFixed(1)} s)\n    ${
        spec.message.slice(0, MESSAGE)
      }`,
    );
  }
  const reasons = Map.groupBy(
    of("skipped").filter(({ message }) => message !== ""),
    ({ message }) => message,
  );
  for (const [message, skipped] of reasons) {
    console.log(`skipped, ${message}:\n    ${skipped.map(({ name }) => name).join("\n    ")}`);
  }
  for (const name of unlisted) console.log(`passes, not listed yet: ${name}`);
  for (const thing of leftovers) console.log(`left behind: ${thing}`);
  console.log(`${of("passed").length} of ${ran.length} passed, ${of("skipped").length} skipped`);
}
