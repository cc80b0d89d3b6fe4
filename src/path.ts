/**
 * `@std/path` where JSR cannot be reached, by way of the import map: that names this file since TypeScript
 * finds no types for a `node:` module that a map names.
 *
 * @module
 */
export { basename, dirname, isAbsolute, join, normalize, relative, resolve } from "node:path/posix";
