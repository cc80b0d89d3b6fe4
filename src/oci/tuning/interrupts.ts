import { mkdirSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "@std/path";
import { CridError } from "../../failure/mod.ts";
import { DEFAULT_PATH, readKernelFile, run, writeKernelFile } from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";

/** Where interrupts are distributed. */
export interface InterruptPlaces {
  /** Mask of the CPUs for new interrupts: `/proc/irq/default_smp_affinity`. */
  readonly affinity: string;
  /** `irqbalance_config_file`, which names the CPUs that irqbalance leaves alone. */
  readonly balancer: string;
  /** Where it is kept which CPUs have lost theirs; gone after a boot, as the mask is. */
  readonly saved: string;
  readonly programs: { readonly systemctl: string; readonly irqbalance: string };
}

/** A mask of CPUs as the kernel writes it: hexadecimal, a comma after each 32 bits. */
interface Mask {
  readonly bits: bigint;
  /** Digits, with those in front that are 0. */
  readonly digits: number;
}

const BANNED = /^[ \t]*(?:export[ \t]+)?IRQBALANCE_BANNED_CPUS=(.*)$/m;
const SERVICE = "irqbalance";
const COMMAND_MS = 30_000;

/**
 * Keeps interrupts from CPUs: those that come, and by irqbalance those that are there.
 *
 * @throws {CridError} `failed_precondition` when no CPU is left for them.
 */
export async function banInterrupts(cpus: readonly number[], places: InterruptPlaces) {
  const before = readMask(places.affinity);
  const taken = cpus.filter((cpu) => (before.bits & bit(cpu)) !== 0n);
  const bits = taken.reduce((left, cpu) => left & ~bit(cpu), before.bits);
  if (bits === 0n) {
    throw new CridError(
      "failed_precondition",
      `${places.affinity}: no CPU of the node would be left for interrupts`,
    );
  }
  for (const mark of taken.map((cpu) => markOf(cpu, places))) {
    mkdirSync(dirname(mark), { recursive: true, mode: 0o700 });
    writeFileSync(mark, "");
  }
  if (taken.length > 0) await direct({ ...before, bits }, places);
}

/** Gives interrupts back to those CPUs that have lost them by {@linkcode banInterrupts}. */
export async function allowInterrupts(cpus: readonly number[], places: InterruptPlaces) {
  const taken = cpus.filter((cpu) => readKernelFile(markOf(cpu, places)) !== undefined);
  if (taken.length === 0) return;
  const before = readMask(places.affinity);
  const directed = direct(
    { ...before, bits: taken.reduce((all, cpu) => all | bit(cpu), before.bits) },
    places,
  );
  for (const cpu of taken) rmSync(markOf(cpu, places));
  await directed;
}

async function direct(mask: Mask, places: InterruptPlaces): Promise<void> {
  writeKernelFile(places.affinity, maskText(mask));
  const banned = maskText(inverted(mask));
  await tellBalancer(banned, banCpus(places.balancer, banned), places.programs);
}

function bit(cpu: number): bigint {
  return 1n << BigInt(cpu);
}

function markOf(cpu: number, { saved }: InterruptPlaces): string {
  return join(saved, `cpu${cpu}`, "interrupts");
}

/**
 * After a boot interrupts go anywhere, while irqbalance's file still bans the CPUs of containers that
 * are gone: puts what it banned at first in force again. The first time, that is written down.
 *
 * @param original `irqbalance_config_restore_file`.
 */
export async function restoreInterrupts(places: InterruptPlaces, original: string): Promise<void> {
  const banned = BANNED.exec(readKernelFile(places.balancer) ?? "");
  if (banned === null || readKernelFile(places.affinity) === undefined) return;
  if (inverted(readMask(places.affinity)).bits !== 0n) return;
  const now = unquoted(banned[1]!);
  const first = readKernelFile(original)?.trim();
  if (first === undefined) return writeFileSync(original, now);
  if (first === now) return;
  banCpus(places.balancer, first);
  await tellBalancer(first, true, places.programs);
  log.info(`Restored the banned CPUs of irqbalance in ${places.balancer}`);
}

function readMask(path: string): Mask {
  const text = readKernelFile(path)?.trim().replaceAll(",", "") ?? "";
  if (/^[0-9a-f]+$/i.test(text)) return { bits: BigInt(`0x${text}`), digits: text.length };
  throw new CridError("failed_precondition", `${path}: the kernel has no mask of CPUs there`);
}

function maskText({ bits, digits }: Mask): string {
  return bits.toString(16).padStart(digits, "0").replace(/(?<=.)(?=(.{8})+$)/g, ",");
}

function inverted({ bits, digits }: Mask): Mask {
  return { bits: ((1n << BigInt(digits * 4)) - 1n) ^ bits, digits };
}

/** @returns Whether there is a file to say it in. */
function banCpus(file: string, mask: string): boolean {
  const text = readKernelFile(file);
  if (text === undefined) return false;
  const line = `IRQBALANCE_BANNED_CPUS="${mask}"`;
  const changed = BANNED.test(text) ? text.replace(BANNED, line) : `${text.trimEnd()}\n${line}\n`;
  // In one step, and where a link leads to: irqbalance reads it whenever it is started.
  const target = realpathSync(file);
  const next = `${target}.crid`;
  try {
    writeFileSync(next, changed, { mode: statSync(target).mode });
    renameSync(next, target);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
  return true;
}

/** Its service reads the file when it starts; without one irqbalance is run once. */
async function tellBalancer(
  banned: string,
  isConfigured: boolean,
  { systemctl, irqbalance }: InterruptPlaces["programs"],
): Promise<void> {
  const isService = isConfigured && await works(systemctl, ["is-enabled", SERVICE]);
  const done = isService
    ? await works(systemctl, ["restart", SERVICE])
    : await works(irqbalance, ["--oneshot"], { IRQBALANCE_BANNED_CPUS: banned });
  if (!done) log.warn("Interrupts that are there stay where they are: irqbalance cannot be run");
}

async function works(
  program: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  try {
    const env = { PATH: DEFAULT_PATH, ...variables };
    return (await run(program, args, { env, timeoutMs: COMMAND_MS })).code === 0;
  } catch {
    // Hosts without it are usual.
    return false;
  }
}

function unquoted(text: string): string {
  return text.trim().replace(/^(["'])(.*)\1$/, "$2");
}
