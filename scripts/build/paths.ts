/**
 * Where things are in the repository.
 *
 * @module
 */
import { dirname } from "@std/path";
import { fileURLToPath } from "node:url";

/** Absolute path of the repository's root directory. */
export const repository: string = dirname(
  dirname(dirname(fileURLToPath(import.meta.url))),
);
