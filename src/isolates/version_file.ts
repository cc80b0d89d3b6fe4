import { dirname } from "@std/path";

/**
 * Whether another version than `version` wrote the file last, going by major and minor: a patch
 * changes nothing on disk. A file that is missing or damaged counts as another version; no path means
 * that the question is not asked.
 */
export async function isOtherVersion(path: string, version: string): Promise<boolean> {
  if (path === "") return false;
  const text = await Deno.readTextFile(path).catch(() => "");
  const [written, own] = [release(parse(text)), release(version)];
  return written === undefined || written !== own;
}

/** Records that `version` has run here. */
export async function writeVersion(path: string, version: string): Promise<void> {
  if (path === "") return;
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, JSON.stringify(version), { mode: 0o644 });
}

/** The file holds a JSON string. */
function parse(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return "";
  }
}

/** `1.37` of `1.37.0-dev`. */
function release(version: string): string | undefined {
  return /^v?(\d+\.\d+)\./.exec(version)?.[1];
}
