/**
 * Disk images of virtual nodes, built with Debian's own tools and kept under `.cache/vm/` by the
 * hash of what they are made from.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { fileURLToPath } from "node:url";
import { run } from "../../src/linux/mod.ts";
import type { Suite } from "./suites.ts";

const CACHE = fileURLToPath(new URL("../../.cache/vm/", import.meta.url));
const GUEST = fileURLToPath(new URL("guest/", import.meta.url));
/** Where each file of `guest/` goes; `provision` runs last and is taken away again. */
const GUEST_FILES: Readonly<Record<string, string>> = {
  "crid-job.service": "etc/systemd/system/crid-job.service",
  "crid-job.target": "etc/systemd/system/crid-job.target",
  "provision": "provision",
};
const DISK_SIZE = "6G";
/** Some 200 packages are downloaded and unpacked. */
const BUILD_MS = 20 * 60_000;
/** Changes when the way of building changes. */
const FORMAT = "1";

/** A built image. The disk is never written to: a machine keeps its changes to itself. */
export interface VmImage {
  readonly suite: string;
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** The image of a release; built when it is not there yet. */
export async function vmImage(suite: Suite, say: (line: string) => void): Promise<VmImage> {
  const directory = join(CACHE, `${suite.name}-${await inputsHash(suite)}`);
  const image = {
    suite: suite.name,
    disk: join(directory, "disk.ext4"),
    kernel: join(directory, "vmlinuz"),
    initrd: join(directory, "initrd.img"),
  };
  if (await Deno.stat(directory).then(() => true, () => false)) return image;
  await Deno.mkdir(CACHE, { recursive: true });
  const work = await Deno.makeTempDir({ dir: CACHE, prefix: ".new-" });
  try {
    await build(suite, work, say);
    await dropOthers(suite);
    await Deno.rename(join(work, "image"), directory);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return image;
}

async function inputsHash(suite: Suite): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([FORMAT, suite, GUEST_FILES, DISK_SIZE]));
  for (const name of Object.keys(GUEST_FILES)) hash.update(await Deno.readFile(join(GUEST, name)));
  return hash.digest("hex").slice(0, 16);
}

async function build(suite: Suite, work: string, say: (line: string) => void): Promise<void> {
  const root = join(work, "root");
  const image = join(work, "image");
  const packages = join(CACHE, "packages", suite.name);
  await Deno.mkdir(packages, { recursive: true });
  await Deno.mkdir(image);
  say(`${suite.name}: debootstrap with ${suite.packages.length} packages`);
  await must("debootstrap", [
    "--variant=minbase",
    `--cache-dir=${packages}`,
    `--include=${suite.packages.join(",")}`,
    suite.name,
    root,
  ]);
  for (const [name, target] of Object.entries(GUEST_FILES)) {
    await Deno.mkdir(join(root, target, ".."), { recursive: true });
    await Deno.copyFile(join(GUEST, name), join(root, target));
  }
  say(`${suite.name}: provision, initrd`);
  await must("chroot", [root, "/provision"]);
  await Deno.remove(join(root, "provision"));
  await copyOnly(join(root, "boot"), "vmlinuz-", join(image, "vmlinuz"));
  await copyOnly(join(root, "boot"), "initrd.img-", join(image, "initrd.img"));
  say(`${suite.name}: file system`);
  await must("mke2fs", [
    ...["-q", "-F", "-t", "ext4", "-L", "root", "-d", root],
    ...[join(image, "disk.ext4"), DISK_SIZE],
  ]);
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
    if (!name.startsWith(`${suite.name}-`)) continue;
    await Deno.remove(join(CACHE, name), { recursive: true });
  }
}

/**
 * In a mount namespace of its own: debootstrap mounts /proc and /sys in the new root, and when it is
 * interrupted they must be gone before the root is deleted.
 */
async function must(command: string, args: readonly string[]): Promise<void> {
  const apart = ["--mount", "--propagation", "private", command, ...args];
  const { code, stdout, stderr } = await run("unshare", apart, {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    timeoutMs: BUILD_MS,
  });
  if (code === 0) return;
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).slice(-2000));
  throw new Error(`${command} ${args.join(" ")}: exit code ${code}:\n${text.join("\n")}`);
}
