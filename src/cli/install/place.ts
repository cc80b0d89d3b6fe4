import { dirname, join } from "@std/path";
import { wrapError } from "../../failure/mod.ts";

/** Decides about a file that is there with other content. */
export type Replace = (path: string) => boolean;

export interface PlaceOptions {
  /** Put before every path. */
  readonly root: string;
  /** `pretend` only says what would be done. */
  readonly mode: "write" | "pretend";
  readonly replace: Replace;
}

/** What became of a file. */
export type Placed = "written" | "replaced" | "unchanged" | "kept";

/** A file by its content, or by a file that has it. */
export type Content =
  | { readonly text: string }
  | { readonly copyOf: string };

/**
 * Puts a file in its place, all of it or nothing. What is there already is replaced only with
 * leave, and not touched when it is the same.
 *
 * @throws {CridError} Naming the file.
 */
export async function place(
  path: string,
  content: Content,
  permissions: number,
  options: PlaceOptions,
): Promise<Placed> {
  const target = join(options.root, path);
  try {
    const bytes = "text" in content
      ? new TextEncoder().encode(content.text)
      : await Deno.readFile(content.copyOf);
    const found = await readIfAny(target);
    if (found !== undefined && equal(found, bytes)) return "unchanged";
    if (found !== undefined && !options.replace(target)) return "kept";
    if (options.mode === "write") await write(target, bytes, permissions);
    return found === undefined ? "written" : "replaced";
  } catch (error) {
    throw wrapError(`install ${target}`, error);
  }
}

/** Beside its place and renamed: a program that runs cannot be written to, a crash leaves the old. */
async function write(target: string, bytes: Uint8Array, permissions: number): Promise<void> {
  await Deno.mkdir(dirname(target), { recursive: true, mode: 0o755 });
  const temporary = `${target}.new-${Deno.pid}`;
  try {
    {
      const options = { write: true, createNew: true, mode: permissions };
      using file = await Deno.open(temporary, options);
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await file.write(rest));
      await file.sync();
    }
    await Deno.chmod(temporary, permissions);
    await Deno.rename(temporary, target);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

async function readIfAny(path: string): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
