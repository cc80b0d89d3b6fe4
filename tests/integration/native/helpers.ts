import { buildNative, HELPERS } from "../../../scripts/build/native.ts";

/** Path of the helpers under test: as they are shipped, or the build with sanitizers. */
export async function helperProgram(): Promise<string> {
  return Deno.env.get("CRID_TEST_HELPERS") ?? await buildNative(HELPERS);
}
