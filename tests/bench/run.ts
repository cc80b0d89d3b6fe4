/**
 * Every benchmark, or those that are named: `./dev bench [lifecycle|pull|server|monitor|scale|streaming]...`. One
 * alone takes its options: `./dev bench lifecycle --runtime crun`.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const BENCHMARKS = ["lifecycle", "pull", "server", "monitor", "scale", "streaming"];

const named = Deno.args.filter((argument) => BENCHMARKS.includes(argument));
const options = Deno.args.filter((argument) => !BENCHMARKS.includes(argument));
if (options.length > 0 && named.length !== 1) {
  console.error(`options are for one benchmark of ${BENCHMARKS.join(", ")}: name it`);
  process.exit(2);
}
for (const name of named.length > 0 ? named : BENCHMARKS) {
  const program = fileURLToPath(new URL(`${name}_bench.ts`, import.meta.url));
  const { status } = spawnSync(Deno.execPath(), ["run", "--allow-all", program, ...options], {
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
