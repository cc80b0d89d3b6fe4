import { dirname, join } from "@std/path";
import { wrapError } from "../../failure/mod.ts";

/** A file by its content, or by a file that has it. */
export type Content =
  | { readonly text: string }
  | { readonly copyOf: string };

/** How what is there compares with what would be put there. */
export type Found = "missing" | "same" | "different";

/** A file and what is in its place. */
export interface Placement {
  readonly target: string;
  readonly bytes: Uint8Array;
  readonly permissions: number;
  readonly found: Found;
}

/**
 * Looks at the place of a file; changes nothing.
 *
 * @param root Put before the path.
 * @throws {CridError} Naming the file.
 */
export async function placement(
  root: string,
  path: string,
  content: Content,
  permissions: number,
): Promise<Placement> {
  const target = join(root, path);
  try {
    const bytes = "text" in content
      ? new TextEncoder().encode(content.text)
      : await Deno.readFile(content.copyOf);
    return { target, bytes, permissions, found: compare(await readIfAny(target), bytes) };
  } catch (error) {
    throw wrapError(`install ${target}`, error);
  }
}

/**
 * Puts a file in its place, all of it or nothing. It is written beside its place and renamed: a
 * program that runs cannot be written to, and a crash leaves the old.
 *
 * @throws {CridError} Naming the file.
 */
export async function place({ target, bytes, permissions }: Placement): Promise<void> {
  const temporary = `${target}.new-${Deno.pid}`;
  try {
    await Deno.mkdir(dirname(target), { recursive: true, mode: 0o755 });
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
    throw wrapError(`install ${target}`, error);
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

function compare(found: Uint8Array | undefined, wanted: Uint8Array): Found {
  if (found === undefined) return "missing";
  const same = found.length === wanted.length && found.every((byte, at) => byte === wanted[at]);
  return same ? "same" : "different";
}
