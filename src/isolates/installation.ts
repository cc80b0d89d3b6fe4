import { join } from "@std/path";
import { CridError } from "../failure/mod.ts";
import type { Installation } from "./messages.ts";

/** Where `dist/native` is when crid runs from its source. */
const FROM_SOURCE = new URL("../../dist/native", import.meta.url).pathname;

/**
 * Finds crid's native helpers: the launcher says where it has put them; from source they are where
 * the build leaves them.
 *
 * @throws {CridError} `failed_precondition` when they are not built.
 */
export async function findInstallation(version: string): Promise<Installation> {
  const directory = Deno.env.get("CRID_NATIVE_DIR") ?? FROM_SOURCE;
  const native = join(directory, "crid-native");
  const monitor = join(directory, "conmon");
  for (const program of [native, monitor]) {
    try {
      await Deno.stat(program);
    } catch (error) {
      throw new CridError(
        "failed_precondition",
        `crid's native helpers are not at ${program}: build them with ./dev build`,
        { cause: error },
      );
    }
  }
  return { directory, native, monitor, version };
}
