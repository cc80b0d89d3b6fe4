/**
 * Writes docs/configuration.md from the table of settings: `deno task docs`.
 *
 * @module
 */
import { printMarkdown } from "../src/config/mod.ts";

await Deno.writeTextFile(
  new URL("../docs/configuration.md", import.meta.url),
  printMarkdown(),
);
