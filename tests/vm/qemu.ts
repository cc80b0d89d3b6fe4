/**
 * A machine that is emulated in software: slow, and the same everywhere.
 *
 * @module
 */
import type { MachineCommand, MachineFiles, MachineOptions } from "./machine.ts";
import { LSM_ARGUMENTS } from "./suites.ts";

const QEMU = "qemu-system-x86_64";
/**
 * A fifth level of page tables only makes emulation slower; and QEMU 7 loses the processor's flags in
 * cmpxchg16b, which brings kernels down that allocate memory by it (Linux 6.12).
 */
const CPU = "max,la57=off,svm=off,cx16=off,smap=off,pku=off";
const MEMORY = "3072";
const CPUS = "2";
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

/** QEMU without network; the port of the job's output is its standard output. */
export function qemu(
  { image, securityModule = "apparmor" }: MachineOptions,
  { disk, console, directory }: MachineFiles,
): MachineCommand {
  const drive = (file: string, more: string) =>
    `file=${file},format=raw,if=virtio,cache=unsafe,aio=threads${more}`;
  const append = [...KERNEL_ARGUMENTS, ...LSM_ARGUMENTS[securityModule]].join(" ");
  const command = [
    QEMU,
    // In software: it works everywhere.
    ...["-accel", "tcg,thread=multi", "-cpu", CPU],
    ...["-smp", CPUS, "-m", MEMORY, "-nodefaults", "-display", "none", "-nic", "none"],
    ...["-device", "virtio-rng-pci"],
    ...["-kernel", image.kernel, "-initrd", image.initrd, "-append", append],
    ...["-drive", drive(image.disk, ",snapshot=on"), "-drive", drive(disk, "")],
    ...["-chardev", `file,id=console,path=${console}`, "-serial", "chardev:console"],
    ...["-device", "virtio-serial-pci", "-chardev", "stdio,id=job,signal=off"],
    ...["-device", "virtserialport,chardev=job,name=job"],
  ] as const;
  return { command, env: { TMPDIR: directory } };
}
