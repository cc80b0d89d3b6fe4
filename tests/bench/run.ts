/**
 * Every benchmark, or those that are named: `./dev bench [lifecycle|pull|server|monitor|scale|store|streaming]...`. One
 * alone takes its options: `./dev bench lifecycle --runtime crun`. They measure the built file, which is what
 * people run, unless CRID_BINARY names another.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const BENCHMARKS = ["lifecycle", "pull", "server", "monitor", "scale", "store", "streaming"];

const named = Deno.args.filter((argument) => BENCHMARKS.includes(argument));
const options = Deno.args.filter((argument) => !BENCHMARKS.includes(argument));
if (options.length > 0 && named.length !== 1) {
  console.error(`options are for one benchmark of ${BENCHMARKS.join(", ")}: name it`);
  process.exit(2);
}
const binary = process.env["CRID_BINARY"] ?? built();
for (const name of named.length > 0 ? named : BENCHMARKS) {
  const program = fileURLToPath(new URL(`${name}_bench.ts`, import.meta.url));
  const { status } = spawnSync(Deno.execPath(), ["run", "--allow-all", program, ...options], {
    stdio: "inherit",
    env: { ...process.env, CRID_BINARY: binary },
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** Builds `dist/crid`. */
function built(): string {
  const build = fileURLToPath(new URL("../../scripts/build.ts", import.meta.url));
  const { status } = spawnSync(Deno.execPath(), ["run", "--allow-all", build], {
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
  return fileURLToPath(new URL("../../dist/crid", import.meta.url));
}
