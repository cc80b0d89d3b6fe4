/**
 * User-Mode Linux: a kernel that runs as a process of this machine, and its processes as others.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { dirname, join } from "@std/path";
import { fileURLToPath } from "node:url";
import { run } from "../../src/linux/mod.ts";
import { UML_LIBRARIES } from "./image.ts";
import type { MachineCommand, MachineFiles, MachineOptions } from "./machine.ts";
import { LSM_ARGUMENTS } from "./suites.ts";

const REGISTERS = fileURLToPath(new URL("uml/registers.c", import.meta.url));
const CACHE = fileURLToPath(new URL("../../.cache/vm/", import.meta.url));
const COMPILE = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"];
const MEMORY = "3072M";

/** A kernel without network: terminal 0 is its console, terminal 1 the job's output. */
export async function uml(
  { image, securityModule = "apparmor" }: MachineOptions,
  { disk, console, directory }: MachineFiles,
): Promise<MachineCommand> {
  const kernel = [
    image.kernel,
    ...[`mem=${MEMORY}`, "root=/dev/ubda", "rw", ...LSM_ARGUMENTS[securityModule]],
    ...[`ubd0=${join(directory, "root.cow")},${image.disk}`, `ubd1=${disk}`],
    ...["con=null", "con0=null,fd:2", "con1=null,fd:1", "ssl=null", "console=tty0"],
    // Of its own start, on standard output.
    ...["quiet", "loglevel=5", "systemd.show_status=1"],
  ];
  const root = join(directory, "root");
  const files = dirname(image.disk);
  for (const [library, place] of Object.entries(UML_LIBRARIES)) {
    await Deno.mkdir(join(root, place), { recursive: true });
    await Deno.copyFile(join(files, library), join(root, place, library));
  }
  const registers = join(directory, "registers.so");
  await Deno.copyFile(await registersLibrary(), registers);
  return {
    // In a PID namespace: what runs in there does not outlive the kernel.
    command: [
      "unshare",
      ...["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"],
      ...["sh", "-euc", ENTER, "sh", ...kernel],
    ],
    env: {
      ...{ ROOT: root, FILES: files, WORK: directory, CONSOLE: console, REGISTERS: registers },
      // It keeps what others would control it by below that.
      HOME: directory,
    },
  };
}

/**
 * Its own libraries, in a root that has the files that it works with where they are. A kernel that
 * went down is started anew; it can only end itself where it is not the first process.
 */
const ENTER = `
for place in /proc /dev "$FILES" "$WORK"; do
    mkdir -p "$ROOT$place"
    mount --rbind "$place" "$ROOT$place"
done
exec 2>"$CONSOLE"
export LD_PRELOAD="$REGISTERS"
until chroot "$ROOT" "$@"; do :; done
`;

/** Compiled once. */
async function registersLibrary(): Promise<string> {
  const hash = createHash("sha256").update(await Deno.readFile(REGISTERS)).digest("hex");
  const library = join(CACHE, `registers-${hash.slice(0, 16)}.so`);
  if (await Deno.stat(library).then(() => true, () => false)) return library;
  const temporary = `${library}.${Deno.pid}`;
  const { code, stderr } = await run("gcc", [...COMPILE, "-o", temporary, REGISTERS]);
  if (code !== 0) throw new Error(`compile ${REGISTERS}: ${new TextDecoder().decode(stderr)}`);
  await Deno.rename(temporary, library);
  return library;
}
