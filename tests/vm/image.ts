/**
 * Disk images of virtual nodes, built with Debian's own tools and kept under `.cache/vm/` by the
 * hash of what they are made from.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { fileURLToPath } from "node:url";
import { isCode } from "../../src/failure/mod.ts";
import { run, type RunResult } from "../../src/linux/mod.ts";
import type { Suite } from "./suites.ts";

const CACHE = fileURLToPath(new URL("../../.cache/vm/", import.meta.url));
const GUEST = fileURLToPath(new URL("guest/", import.meta.url));
/** Where files of `guest/` go. */
const GUEST_FILES: Readonly<Record<string, string>> = {
  "crid-job.service": "etc/systemd/system/crid-job.service",
  "crid-job.target": "etc/systemd/system/crid-job.target",
};
/** Nobody needs the packages' files to survive a power loss, or to be read by people. */
const DPKG_OPTIONS = `force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
`;
const DISK_SIZE = "6G";
/** Longest time of each step. Some 200 packages are downloaded and unpacked, in a minute or two. */
const STEP_MS = 8 * 60_000;
/** What a build leaves behind that was killed is older than any that runs. */
const ABANDONED_MS = 60 * 60_000;
/** Changes when the way of building changes. */
const FORMAT = "2";
const UNFINISHED = ".new-";
/**
 * What the kernel of User-Mode Linux is linked with, as this machine's own may be too old for it: files
 * of the image, and where a program looks for them.
 */
export const UML_LIBRARIES: Readonly<Record<string, string>> = {
  "libc.so.6": "lib/x86_64-linux-gnu",
  "ld-linux-x86-64.so.2": "lib64",
};

/** A built image. The disk is never written to: a machine keeps its changes to itself. */
export interface VmImage {
  readonly suite: Suite;
  readonly disk: string;
  readonly kernel: string;
  /** Of `qemu`: its kernel has the drivers of disks in there. */
  readonly initrd: string;
}

/** Debian's archive cannot be reached, or takes too long: no fault of what is tested. */
export class ImageUnavailable extends Error {}

/**
 * The image of a release; built when it is not there yet.
 *
 * @throws {ImageUnavailable} When packages cannot be downloaded, or this machine is too slow.
 */
export async function vmImage(suite: Suite, say: (line: string) => void): Promise<VmImage> {
  const directory = join(CACHE, `${suite.name}-${await inputsHash(suite)}`);
  const image = {
    suite,
    disk: join(directory, "disk.ext4"),
    kernel: join(directory, "vmlinuz"),
    initrd: join(directory, "initrd.img"),
  };
  if (await isThere(directory)) return image;
  await Deno.mkdir(CACHE, { recursive: true });
  await dropAbandoned();
  const work = await Deno.makeTempDir({ dir: CACHE, prefix: UNFINISHED });
  try {
    await build(suite, work, say);
    await dropOthers(suite);
    await Deno.rename(join(work, "image"), directory).catch(async (error) => {
      // Somebody else has built it meanwhile.
      if (!await isThere(directory)) throw error;
    });
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return image;
}

async function inputsHash(suite: Suite): Promise<string> {
  const { name, packages, provision } = suite;
  const recipe = [FORMAT, { name, packages, provision }, GUEST_FILES, DPKG_OPTIONS, DISK_SIZE];
  const hash = createHash("sha256").update(JSON.stringify(recipe));
  for (const name of [...Object.keys(GUEST_FILES), ...suite.provision]) {
    hash.update(await Deno.readFile(join(GUEST, name)));
  }
  return hash.digest("hex").slice(0, 16);
}

async function build(suite: Suite, work: string, say: (line: string) => void): Promise<void> {
  const root = join(work, "root");
  const image = join(work, "image");
  const packages = join(CACHE, "packages", suite.release);
  await Deno.mkdir(packages, { recursive: true });
  await Deno.mkdir(image);
  say(`${suite.name}: debootstrap with ${suite.packages.length} packages`);
  await must("debootstrap", [
    ...["--foreign", "--variant=minbase", `--cache-dir=${packages}`],
    ...[`--include=${suite.packages.join(",")}`, suite.release, root],
  ]);
  await Deno.mkdir(join(root, "etc/dpkg/dpkg.cfg.d"), { recursive: true });
  await Deno.writeTextFile(join(root, "etc/dpkg/dpkg.cfg.d/fast"), DPKG_OPTIONS);
  say(`${suite.name}: install`);
  await must("chroot", [root, "/debootstrap/debootstrap", "--second-stage"]);
  for (const [name, target] of Object.entries(GUEST_FILES)) {
    await Deno.mkdir(join(root, target, ".."), { recursive: true });
    await Deno.copyFile(join(GUEST, name), join(root, target));
  }
  for (const script of suite.provision) {
    say(`${suite.name}: ${script}`);
    await Deno.copyFile(join(GUEST, script), join(root, "provision"));
    await must("chroot", [root, "/provision"]);
    await Deno.remove(join(root, "provision"));
  }
  await copyKernel(suite, root, image);
  say(`${suite.name}: file system`);
  await must("mke2fs", [
    ...["-q", "-F", "-t", "ext4", "-L", "root", "-d", root],
    ...[join(image, "disk.ext4"), DISK_SIZE],
  ]);
}

async function copyKernel({ machine }: Suite, root: string, image: string): Promise<void> {
  const kernel = join(image, "vmlinuz");
  if (machine === "uml") {
    await Deno.copyFile(join(root, "usr/bin/linux.uml"), kernel);
    for (const library of Object.keys(UML_LIBRARIES)) {
      await Deno.copyFile(join(root, "usr/lib/x86_64-linux-gnu", library), join(image, library));
    }
    return;
  }
  await copyOnly(join(root, "boot"), "vmlinuz-", kernel);
  await copyOnly(join(root, "boot"), "initrd.img-", join(image, "initrd.img"));
}

/** The one file of a directory whose name starts so. */
async function copyOnly(directory: string, prefix: string, target: string): Promise<void> {
  for await (const { name } of Deno.readDir(directory)) {
    if (name.startsWith(prefix)) return await Deno.copyFile(join(directory, name), target);
  }
  throw new Error(`${directory} holds no ${prefix}*`);
}

/** An image whose inputs have changed is of no use any more. */
async function dropOthers(suite: Suite): Promise<void> {
  for await (const { name } of Deno.readDir(CACHE)) {
    if (!new RegExp(`^${suite.name}-[0-9a-f]{16}$`).test(name)) continue;
    await Deno.remove(join(CACHE, name), { recursive: true });
  }
}

/** Of builds that were killed. */
async function dropAbandoned(): Promise<void> {
  for await (const { name } of Deno.readDir(CACHE)) {
    if (!name.startsWith(UNFINISHED)) continue;
    const path = join(CACHE, name);
    const { mtime } = await Deno.stat(path);
    if (Date.now() - (mtime?.getTime() ?? 0) > ABANDONED_MS) {
      await Deno.remove(path, { recursive: true });
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** What debootstrap says when it cannot download. */
const DOWNLOAD_FAILED =
  /^E: (?:Failed getting release file|Couldn't download|Couldn't retrieve).*/m;
/** Where downloads go through a proxy. */
const PROXY_VARIABLES = ["http_proxy", "https_proxy", "no_proxy"];

/**
 * In a mount namespace of its own: debootstrap mounts /proc and /sys in the new root, and when it is
 * interrupted they must be gone before the root is deleted.
 */
async function must(command: string, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await apart(command, args);
  if (code === 0) return;
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n");
  const [download] = DOWNLOAD_FAILED.exec(text) ?? [];
  if (download !== undefined) throw new ImageUnavailable(`debootstrap: ${download}`);
  throw new Error(`${command} ${args.join(" ")}: exit code ${code}:\n${text.slice(-4000)}`);
}

async function apart(command: string, args: readonly string[]): Promise<RunResult> {
  try {
    return await run("unshare", ["--mount", "--propagation", "private", command, ...args], {
      env: {
        ...proxies(),
        ...{
          PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
          LC_ALL: "C",
          DEBIAN_FRONTEND: "noninteractive",
        },
      },
      timeoutMs: STEP_MS,
    });
  } catch (error) {
    if (!isCode(error, "deadline_exceeded")) throw error;
    throw new ImageUnavailable(`${command}: no end after ${STEP_MS / 60_000} minutes`);
  }
}

function proxies(): Record<string, string> {
  const all = Deno.env.toObject();
  return Object.fromEntries(PROXY_VARIABLES.flatMap((name) => {
    const value = all[name] ?? all[name.toUpperCase()];
    return value === undefined ? [] : [[name, value]];
  }));
}
