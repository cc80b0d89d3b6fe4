/**
 * Our monitor beside Debian's conmon, in the same run: memory, start, log throughput, wake-ups, exit.
 *
 * ```
 * deno run -A tests/bench/monitor_bench.ts [--rounds N] [--megabytes N]
 * ```
 *
 * @module
 */
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import process from "node:process";
import { join } from "@std/path";
import { setTimeout as pause } from "node:timers/promises";
import { median } from "./measure.ts";
import {
  type Bed,
  makeBed,
  type PeerName,
  PEERS,
  type Running,
  startMonitor,
} from "./monitor/bed.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    rounds: { type: "string", default: "20" },
    megabytes: { type: "string", default: "500" },
  },
});
const ROUNDS = Number(values.rounds);
const BYTES = Number(values.megabytes) * 1_000_000;
const CROWD = 50;
const LINES = [32, 100, 16_384, 1_048_576];
const CLOCK_TICKS = 100;
/** Ours gives memory back after ten seconds. */
const REST_MS = 11_000;
const WATCH_MS = 3_000;

type Pair = Record<PeerName, number>;

/** One line of the table: what, both figures, how many times better ours is, and what the goal is. */
function print(
  what: string,
  unit: string,
  { crid, conmon }: Pair,
  goal: string,
  better: "less" | "more" = "less",
): void {
  const times = better === "less" ? conmon / crid : crid / conmon;
  const ratio = Number.isFinite(times) ? `${times.toFixed(1)} x` : "";
  const amount = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`.padStart(12);
  console.log(`  ${what.padEnd(36)}${amount(crid)}${amount(conmon)}${ratio.padStart(10)}  ${goal}`);
}

async function pair(measure: (peer: PeerName) => Promise<number>): Promise<Pair> {
  return { crid: await measure("crid"), conmon: await measure("conmon") };
}

/** What one of many monitors costs whose containers have said something and are silent now. */
async function idle(bed: Bed, peer: PeerName): Promise<{ memory: number; wakeups: number }> {
  const crowd: Running[] = [];
  const env = { BENCH_LINE: "100", BENCH_BYTES: "1000000" };
  try {
    for (let count = 0; count < CROWD; count++) crowd.push(await startMonitor(bed, peer, { env }));
    await pause(REST_MS);
    const memory = median(crowd.map(({ monitorPid }) => number(monitorPid, "smaps_rollup", "Pss")));
    const switches = () =>
      crowd.map(({ monitorPid }) => number(monitorPid, "status", "voluntary_ctxt_switches"))
        .reduce((sum, each) => sum + each, 0);
    const before = switches();
    await pause(WATCH_MS);
    return { memory, wakeups: (switches() - before) / CROWD };
  } finally {
    await Promise.all(crowd.map((running) => running.stop()));
  }
}

/** A number from a file of /proc. */
function number(pid: number, file: string, key: string): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/${file}`);
  return Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1]);
}

/** ms from the start of a monitor to its answer, over a runtime that does next to nothing. */
async function start(bed: Bed): Promise<{ answer: Pair; bare: number }> {
  const times: Record<PeerName, number[]> = { crid: [], conmon: [] };
  const bare: number[] = [];
  for (let round = 0; round < ROUNDS * 3; round++) {
    for (const peer of PEERS) {
      const running = await startMonitor(bed, peer);
      times[peer].push(running.startMs);
      await running.stop();
    }
    bare.push(await bareRuntime(bed));
  }
  return { answer: { crid: median(times.crid), conmon: median(times.conmon) }, bare: median(bare) };
}

/** The runtime without a monitor, started in the same way. */
async function bareRuntime(bed: Bed): Promise<number> {
  const pidFile = join(bed.directory, "bare-pid");
  const started = performance.now();
  const child = spawn(bed.programs.runtime, ["create", "--pid-file", pidFile, "x"], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  await new Promise((resolve) => child.once("exit", resolve));
  const took = performance.now() - started;
  process.kill(Number(await Deno.readTextFile(pidFile)), "SIGKILL");
  return took;
}

/** MB/s of container output, and CPU seconds of the monitor for a GB. */
async function throughput(
  bed: Bed,
  peer: PeerName,
  line: number,
): Promise<{ rate: number; cpu: number }> {
  const done = join(bed.directory, `done-${crypto.randomUUID()}`);
  const started = performance.now();
  const running = await startMonitor(bed, peer, {
    env: { BENCH_LINE: String(line), BENCH_BYTES: String(BYTES), BENCH_DONE: done },
  });
  while (!exists(done)) await pause(2);
  const seconds = (performance.now() - started) / 1000;
  const cpu = cpuSeconds(running.monitorPid);
  await running.stop();
  await Deno.remove(join(running.directory, "log"));
  return { rate: BYTES / 1e6 / seconds, cpu: cpu / (BYTES / 1e9) };
}

function cpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** ms from the death of the container, with a large log on a disk, to the exit file. */
async function exitFile(bed: Bed, peer: PeerName): Promise<number> {
  const bundle = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "crid-monitor-bench-" });
  const done = join(bundle, "done");
  try {
    const running = await startMonitor(bed, peer, {
      bundle,
      env: { BENCH_LINE: "100", BENCH_BYTES: String(BYTES), BENCH_DONE: done },
    });
    while (!exists(done)) await pause(2);
    await pause(200);
    const path = join(bed.exits, running.id);
    const stopped = running.stop();
    const killed = performance.now();
    while (!exists(path)) continue;
    const took = performance.now() - killed;
    await stopped;
    return took;
  } finally {
    await Deno.remove(bundle, { recursive: true });
  }
}

await using bed = await makeBed();
console.log(`\n  ${"".padEnd(36)}${"crid".padStart(12)}${"conmon".padStart(12)}     ratio  goal\n`);
const resting = { crid: await idle(bed, "crid"), conmon: await idle(bed, "conmon") };
const memory = { crid: resting.crid.memory, conmon: resting.conmon.memory };
print(`memory of one of ${CROWD}, idle (PSS)`, "kB", memory, "40 kB at most");
const wakeups = { crid: resting.crid.wakeups, conmon: resting.conmon.wakeups };
print(`wake-ups in ${WATCH_MS / 1000} s, idle`, "", wakeups, "none");
const { answer, bare } = await start(bed);
const added = { crid: answer.crid - bare, conmon: answer.conmon - bare };
print("start, added to the bare runtime", "ms", added, "1 ms at most");
for (const line of LINES) {
  const rates: Record<PeerName, number[]> = { crid: [], conmon: [] };
  const cpu: Record<PeerName, number[]> = { crid: [], conmon: [] };
  for (let round = 0; round < 3; round++) {
    for (const peer of PEERS) {
      const result = await throughput(bed, peer, line);
      rates[peer].push(result.rate);
      cpu[peer].push(result.cpu);
    }
  }
  const size = line < 1024 ? `${line}-byte` : `${line / 1024}-KiB`;
  const goal = line === 32 ? "2.5 x" : line === 100 ? "3 x" : "";
  const rate = { crid: median(rates.crid), conmon: median(rates.conmon) };
  print(`log, ${size} lines`, "MB/s", rate, goal, "more");
  print(
    "    monitor's CPU for a GB",
    "s",
    { crid: median(cpu.crid), conmon: median(cpu.conmon) },
    "",
  );
}
print(
  `exit file, ${values.megabytes} MB in the log`,
  "ms",
  await pair((peer) => exitFile(bed, peer)),
  "2 ms at most",
);
