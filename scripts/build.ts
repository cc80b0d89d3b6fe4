/**
 * Builds `dist/crid`.
 *
 * @module
 */
import { buildNative, HELPERS } from "./build/native.ts";

if (import.meta.main) {
  console.log(`native     ${await buildNative(HELPERS)}`);
}
