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
import type { SecurityModule } from "./suites.ts";

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

const QEMU = "qemu-system-x86_64";
/**
 * A fifth level of page tables only makes emulation slower; and QEMU 7 loses the processor's flags in
 * cmpxchg16b, which brings kernels down that allocate memory by it (Linux 6.12).
 */
const CPU = "max,la57=off,svm=off,cx16=off,smap=off,pku=off";
const MEMORY = "3072";
const CPUS = "2";
/** Room on the job's disk beyond what is put there. */
const DISK_ROOM = 512 * 1024 * 1024;
const KERNEL_ARGUMENTS = [
  "root=/dev/vda",
  "rw",
  "console=ttyS0",
  // Debian has it off by default.
  "psi=1",
  "panic=-1",
  // Nobody is attacked here, and emulated barriers and wiped pages are slow.
  ...["mitigations=off", "init_on_alloc=0"],
  // The kernel takes the counters of two emulated processors for out of step, and would read every
  // time from a timer chip, which is a hundred times slower; they are the host's, and in step.
  ...["tsc=reliable", "clocksource=tsc"],
  // What udev would load for hardware that nobody uses, or for speed that emulation does not have.
  `modprobe.blacklist=${
    [
      ...["ata_piix", "ata_generic", "pata_acpi", "psmouse", "button", "pcspkr", "i2c_piix4"],
      ...["aesni_intel", "ghash_clmulni_intel", "crct10dif_pclmul", "crc32_pclmul", "sha512_ssse3"],
      ...["sha256_ssse3", "sha1_ssse3", "intel_rapl_msr", "floppy", "evdev", "rapl", "joydev"],
    ].join(",")
  }`,
];

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
  const consoleFile = join(work, "console");
  const [command, ...args] = [...DIE_WITH_PARENT, QEMU, ...machine(options, disk, work)];
  const child = start(command!, args, {
    // The image stays as it is: what the machine writes to it goes here.
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", TMPDIR: work },
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
  return { output: lines.join("\n"), console: await Deno.readTextFile(consoleFile) };
}

async function endOf(child: ChildProcess, timeoutMs: number): Promise<void> {
  using _kill = { [Symbol.dispose]: () => killGroup(child) };
  const timer = setTimeout(() => killGroup(child), timeoutMs);
  await exit(child, QEMU).finally(() => clearTimeout(timer));
}

/** Of these two the kernel takes one. */
const SECURITY_ARGUMENTS: Readonly<Record<SecurityModule, readonly string[]>> = {
  apparmor: ["lsm=landlock,lockdown,yama,apparmor,bpf"],
  selinux: ["lsm=landlock,lockdown,yama,selinux,bpf", "selinux=1"],
};

function machine(options: MachineOptions, disk: string, work: string): string[] {
  const { image, securityModule = "apparmor" } = options;
  const drive = (file: string, more: string) =>
    `file=${file},format=raw,if=virtio,cache=unsafe,aio=threads${more}`;
  const append = [...KERNEL_ARGUMENTS, ...SECURITY_ARGUMENTS[securityModule]].join(" ");
  return [
    // In software: it works everywhere.
    ...["-accel", "tcg,thread=multi", "-cpu", CPU],
    ...["-smp", CPUS, "-m", MEMORY, "-nodefaults", "-display", "none", "-nic", "none"],
    ...["-device", "virtio-rng-pci"],
    ...["-kernel", image.kernel, "-initrd", image.initrd, "-append", append],
    ...["-drive", drive(image.disk, ",snapshot=on"), "-drive", drive(disk, "")],
    ...["-chardev", `file,id=console,path=${join(work, "console")}`, "-serial", "chardev:console"],
    ...["-device", "virtio-serial-pci", "-chardev", "stdio,id=job,signal=off"],
    ...["-device", "virtserialport,chardev=job,name=job"],
  ];
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
