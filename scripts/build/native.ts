/**
 * Builds the native programs of `native/`: static, with musl where it is installed, else with glibc.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { repository } from "./paths.ts";

/** One static executable made from C files below `native/`. */
export interface NativeTarget {
  /** File name below `dist/native`. */
  readonly name: string;
  /** Files and directories below `native/`, of which all `.c` files, linked together. */
  readonly sources: readonly string[];
  /** Directories below `native/` that keep all names but `<directory>_main` to themselves. */
  readonly programs: readonly string[];
  /** Further names (links) under which the programs inside it are started. */
  readonly links: readonly string[];
}

/** Every helper that crid starts but the monitor, in one file. */
export const HELPERS: NativeTarget = {
  name: "crid-native",
  sources: ["main.c", "base", "session", "start"],
  programs: ["attach", "pause", "pinns"],
  links: ["pause", "pinns"],
};

/** The monitor by itself: one runs for each container, and each would pay for the other programs. */
export const MONITOR: NativeTarget = {
  name: "conmon",
  sources: ["monitor", "base"],
  programs: [],
  links: [],
};

/** How a build differs from the one that is shipped. */
export interface NativeOptions {
  /** Directory for the result. Default `dist/native`. */
  readonly out?: string;
  /** `sanitized`: dynamic, with AddressSanitizer and UndefinedBehaviorSanitizer. */
  readonly variant?: "release" | "sanitized";
}

const WARNINGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"];
const SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];
const FLAGS = {
  release: {
    compile: [...WARNINGS, "-O2", "-fstack-protector-strong", "-ffunction-sections"],
    link: [
      "-static",
      "-s",
      "-Wl,--gc-sections,--build-id=none,-z,relro,-z,noexecstack,-z,max-page-size=4096",
    ],
  },
  sanitized: {
    compile: [...WARNINGS, "-O1", "-g", "-fno-omit-frame-pointer", ...SANITIZE],
    link: [],
  },
} as const;

/**
 * Compiles `target` unless the result on disk was made from the same files with the same flags.
 *
 * @returns The path of the executable.
 * @throws {Error} with the compiler's words when it refuses a file, or when there is no compiler.
 */
export async function buildNative(
  target: NativeTarget,
  { out = join(repository, "dist/native"), variant = "release" }: NativeOptions = {},
): Promise<string> {
  const root = join(repository, "native");
  const compiler = variant === "release" ? await findCompiler() : "gcc";
  const { compile, link } = FLAGS[variant];
  const files = await listSources(root);
  const recipe = await Deno.readTextFile(new URL(import.meta.url));
  const inputs = await fingerprint(
    [recipe, compiler, ...compile, ...link, JSON.stringify(target)],
    root,
    files,
  );
  const path = join(out, target.name);
  const stamp = join(out, `.${target.name}.inputs`);
  if (await readOr(stamp, "") === inputs && await exists(path)) return path;

  await Deno.mkdir(out, { recursive: true });
  // Built aside and renamed: whoever runs the old one keeps it, two builds at once do no harm.
  const work = await Deno.makeTempDir({ dir: out, prefix: `.${target.name}.` });
  try {
    const sourcesOf = (paths: readonly string[]) =>
      files.filter((file) =>
        file.endsWith(".c") &&
        paths.some((path) => file === path || file.startsWith(`${path}/`))
      );
    const objects = await Promise.all(target.programs.map(async (program) => {
      const object = join(work, `${program}.o`);
      await runTool(compiler, [
        ...compile,
        "-r",
        "-nostdlib",
        ...sourcesOf([program]),
        "-o",
        object,
      ], root);
      await runTool("objcopy", [`--keep-global-symbol=${program}_main`, object], root);
      return object;
    }));
    const built = join(work, target.name);
    const linked = [...sourcesOf(target.sources), ...objects];
    await runTool(compiler, [...compile, ...link, ...linked, "-o", built], root);
    await Deno.rename(built, path);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  for (const name of target.links) await linkTo(target.name, join(out, name));
  await Deno.writeTextFile(stamp, inputs);
  return path;
}

async function runTool(program: string, args: readonly string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], cwd }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}

async function findCompiler(): Promise<string> {
  for (const compiler of ["musl-gcc", "gcc"]) {
    try {
      await new Deno.Command(compiler, { args: ["--version"], stdout: "null" }).output();
      return compiler;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error("build the native programs: no C compiler; install musl-tools (or gcc)");
}

async function listSources(root: string, below = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(join(root, below))) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory) files.push(...await listSources(root, path));
    else if (/\.[ch]$/.test(entry.name)) files.push(path);
  }
  return files.sort();
}

async function fingerprint(
  settings: readonly string[],
  root: string,
  files: readonly string[],
): Promise<string> {
  const hash = createHash("sha256").update(settings.join("\0"));
  for (const file of files) {
    hash.update(`\0${file}\0`).update(await Deno.readFile(join(root, file)));
  }
  return hash.digest("hex");
}

async function linkTo(target: string, path: string): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}`;
  await Deno.symlink(target, temporary);
  await Deno.rename(temporary, path);
}

async function readOr(path: string, absent: string): Promise<string> {
  return await exists(path) ? await Deno.readTextFile(path) : absent;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
