/**
 * One boot of a virtual node: a directory goes in as a disk, what the node prints is streamed, and
 * its result files come out.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { join } from "@std/path";
import { createInterface } from "node:readline";
import { exit, killGroup, run, start } from "../../src/linux/mod.ts";
import { DIE_WITH_PARENT } from "../harness/isolation.ts";
import type { VmImage } from "./image.ts";
import { qemu } from "./qemu.ts";
import type { SecurityModule } from "./suites.ts";
import { uml } from "./uml.ts";

export interface MachineOptions {
  readonly image: VmImage;
  /** Becomes the second disk, `/job` in the machine. Its `jobs/start.sh` is what the machine does. */
  readonly directory: string;
  /** Milliseconds for everything. */
  readonly timeoutMs: number;
  /** Default `apparmor`. */
  readonly securityModule?: SecurityModule;
  /** Called with every line that the jobs print. */
  readonly onOutput?: (line: string) => void;
}

export interface MachineResult {
  /** What the jobs printed. */
  readonly output: string;
  /** What the kernel and systemd printed. */
  readonly console: string;
  /** Text of each file below the disk's `results/`, by its path there. */
  readonly results: ReadonlyMap<string, string>;
}

/** Files of one boot. */
export interface MachineFiles {
  /** The job's disk. */
  readonly disk: string;
  /** What the kernel and systemd print. */
  readonly console: string;
  /** For what the machine itself writes. The image stays as it is. */
  readonly directory: string;
}

/** How a machine is started. Its standard output is what the jobs print. */
export interface MachineCommand {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

const MACHINES = { qemu, uml };
/** Room on the job's disk beyond what is put there. */
const DISK_ROOM = 512 * 1024 * 1024;

/** Boots the image and waits until it powers off, or its time is up. */
export async function runMachine(options: MachineOptions): Promise<MachineResult> {
  const work = await Deno.makeTempDir({ prefix: "crid-vm-" });
  try {
    const disk = join(work, "job.ext4");
    await makeDisk(options.directory, disk);
    const { output, console } = await boot(options, disk, work);
    // The machine may not have unmounted it; 1 means that there was something to set right.
    await run("e2fsck", ["-fy", disk]);
    return { output, console, results: await readResults(disk, work) };
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function makeDisk(directory: string, disk: string): Promise<void> {
  const size = await tool("du", ["-s", "--block-size=1", directory]);
  const kilobytes = Math.ceil((Number.parseInt(size, 10) * 1.1 + DISK_ROOM) / 1024);
  const args = ["-q", "-F", "-t", "ext4", "-L", "job", "-d", directory, disk, `${kilobytes}k`];
  await tool("mke2fs", args);
}

async function boot(
  options: MachineOptions,
  disk: string,
  work: string,
): Promise<{ output: string; console: string }> {
  const files = { disk, console: join(work, "console"), directory: work };
  const machine = MACHINES[options.image.suite.machine];
  const { command: [program, ...given], env } = await machine(options, files);
  const [command, ...args] = [...DIE_WITH_PARENT, program, ...given];
  const child = start(command, args, {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...env },
    // An input that has ended would take the port away from the machine.
    stdio: ["pipe", "pipe", "pipe"],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      options.onOutput?.(line);
    });
  }
  await endOf(child, options.timeoutMs);
  return { output: lines.join("\n"), console: await Deno.readTextFile(files.console) };
}

async function endOf(child: ChildProcess, timeoutMs: number): Promise<void> {
  using _kill = { [Symbol.dispose]: () => killGroup(child) };
  const timer = setTimeout(() => killGroup(child), timeoutMs);
  await exit(child, "a virtual node").finally(() => clearTimeout(timer));
}

async function readResults(disk: string, work: string): Promise<Map<string, string>> {
  const target = join(work, "out");
  await Deno.mkdir(target);
  await tool("debugfs", ["-R", `rdump /results ${target}`, disk]);
  const results = new Map<string, string>();
  const directory = join(target, "results");
  for await (const path of filesBelow(directory)) {
    results.set(path.slice(directory.length + 1), await Deno.readTextFile(path));
  }
  return results;
}

async function* filesBelow(directory: string): AsyncGenerator<string> {
  if (!await Deno.stat(directory).then(() => true, () => false)) return;
  for await (const { name, isFile, isDirectory } of Deno.readDir(directory)) {
    const path = join(directory, name);
    if (isFile) yield path;
    if (isDirectory) yield* filesBelow(path);
  }
}

async function tool(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, { timeoutMs: 10 * 60_000 });
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${code}: ${text(stderr)}`);
  return text(stdout);
}
