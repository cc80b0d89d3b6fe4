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
/** Where the logs of nodes are, as a rule: on a disk, though what is measured stays in its cache. */
const ON_DISK = "/var/tmp";
/** Here every page costs the kernel more than it costs a monitor to fill it. */
const IN_MEMORY = "/dev/shm";

/** What is logged, and where. */
interface Log {
  /** Bytes of each line. */
  readonly line: number;
  /** Directory for the file. */
  readonly place: string;
}

type Pair = Readonly<Record<PeerName, number>>;

interface Row extends Pair {
  readonly what: string;
  readonly unit: string;
  readonly goal?: string;
  /** Default `less`. */
  readonly better?: "less" | "more";
  /** What the machine does without a monitor. */
  readonly floor?: number;
}

/** One line of the table: what, both figures, how many times better ours is, the floor, the goal. */
function print({ what, unit, crid, conmon, goal = "", better = "less", floor }: Row): void {
  const times = better === "less" ? conmon / crid : crid / conmon;
  const ratio = Number.isFinite(times) ? `${times.toFixed(1)} x` : "";
  const amount = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`;
  const cells = [amount(crid), amount(conmon), ratio, floor === undefined ? "" : amount(floor)];
  console.log(`  ${what.padEnd(36)}${cells.map((cell) => cell.padStart(12)).join("")}  ${goal}`);
}

async function pair<T>(measure: (peer: PeerName) => Promise<T>): Promise<Record<PeerName, T>> {
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
  { line, place }: Log,
): Promise<{ rate: number; cpu: number }> {
  const bundle = await Deno.makeTempDir({ dir: place, prefix: "crid-monitor-bench-" });
  const done = join(bundle, "done");
  try {
    const started = performance.now();
    const running = await startMonitor(bed, peer, { bundle, env: writing(line, done) });
    while (!exists(done)) await pause(2);
    const seconds = (performance.now() - started) / 1000;
    const cpu = cpuSeconds(running.monitorPid);
    await running.stop();
    return { rate: BYTES / 1e6 / seconds, cpu: cpu / (BYTES / 1e9) };
  } finally {
    await Deno.remove(bundle, { recursive: true });
  }
}

/** MB/s of the same output when nothing but cat(1) is between the pipe and the file. */
async function copying(bed: Bed, { line, place }: Log): Promise<number> {
  const directory = await Deno.makeTempDir({ dir: place, prefix: "crid-monitor-bench-" });
  const path = (name: string) => join(directory, name);
  try {
    const started = performance.now();
    const child = spawn("sh", [
      ...["-c", '"$0" create --pid-file "$1" x | cat > "$2"'],
      ...[bed.programs.runtime, path("pid"), path("log")],
    ], {
      env: { PATH: "/usr/bin:/bin", ...writing(line, path("done")) },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    while (!exists(path("done"))) await pause(2);
    const seconds = (performance.now() - started) / 1000;
    process.kill(Number(await Deno.readTextFile(path("pid"))), "SIGKILL");
    await ended;
    return BYTES / 1e6 / seconds;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Has the runtime's process write so much, and then make the file `done`. */
function writing(line: number, done: string): Record<string, string> {
  return { BENCH_LINE: String(line), BENCH_BYTES: String(BYTES), BENCH_DONE: done };
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
  const bundle = await Deno.makeTempDir({ dir: ON_DISK, prefix: "crid-monitor-bench-" });
  const done = join(bundle, "done");
  try {
    const running = await startMonitor(bed, peer, {
      bundle,
      env: writing(100, done),
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
const header = ["crid", "conmon", "ratio", "floor"].map((name) => name.padStart(12)).join("");
console.log(`\n  ${"".padEnd(36)}${header}  goal\n`);
const resting = await pair((peer) => idle(bed, peer));
print({
  what: `memory of one of ${CROWD}, idle (PSS)`,
  unit: "kB",
  ...figure(resting, ({ memory }) => memory),
  goal: "40 kB at most",
});
print({
  what: `wake-ups in ${WATCH_MS / 1000} s, idle`,
  unit: "",
  ...figure(resting, ({ wakeups }) => wakeups),
  goal: "none",
});
const { answer, bare } = await start(bed);
print({
  what: "start, added to the bare runtime",
  unit: "ms",
  ...figure(answer, (each) => each - bare),
  goal: "1 ms at most",
});
for (const line of LINES) await logs({ line, place: ON_DISK });
await logs({ line: 100, place: IN_MEMORY });
print({
  what: `exit file, ${values.megabytes} MB in the log`,
  unit: "ms",
  ...await pair((peer) => exitFile(bed, peer)),
  goal: "2 ms at most",
});

/** Throughput and CPU for one kind of log. The floor is cat(1), which writes no stamps. */
async function logs(log: Log): Promise<void> {
  const results: Record<PeerName, { rate: number; cpu: number }[]> = { crid: [], conmon: [] };
  const floors: number[] = [];
  for (let round = 0; round < 3; round++) {
    for (const peer of PEERS) results[peer].push(await throughput(bed, peer, log));
    floors.push(await copying(bed, log));
  }
  const { line, place } = log;
  const size = line < 1024 ? `${line}-byte` : `${line / 1024}-KiB`;
  const isOnDisk = place === ON_DISK;
  print({
    what: `log, ${size} lines${isOnDisk ? "" : ", in memory"}`,
    unit: "MB/s",
    ...figure(results, (each) => median(each.map(({ rate }) => rate))),
    goal: line === 32 ? "2.5 x" : line === 100 && isOnDisk ? "3 x" : "",
    better: "more",
    floor: median(floors),
  });
  print({
    what: "    monitor's CPU for a GB",
    unit: "s",
    ...figure(results, (each) => median(each.map(({ cpu }) => cpu))),
  });
}

function figure<T>(results: Record<PeerName, T>, of: (result: T) => number): Pair {
  return { crid: of(results.crid), conmon: of(results.conmon) };
}
