/**
 * The command line: `crid`, `crid config`, `crid status` and the rest.
 *
 * @module
 */

export { main } from "./main.ts";
export { type BuildInfo, buildInfo } from "./build_info.ts";
