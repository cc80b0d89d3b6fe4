/**
 * What a dynamic program needs to run in an image of its own.
 *
 * @module
 */
import { run } from "../../src/linux/mod.ts";

/** The loader and the libraries of `program`, by the paths the loader looks them up at. */
export async function sharedLibraries(program: string): Promise<string[]> {
  const { code, stdout, stderr } = await run("ldd", [program]);
  const text = new TextDecoder().decode(stdout);
  if (code !== 0) {
    throw new Error(
      `${program} is not a dynamic program (${
        new TextDecoder().decode(stderr).trim()
      }${text.trim()}); ` +
        "the images need Debian's busybox, not busybox-static",
    );
  }
  return [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path!);
}
