/**
 * crid: a Kubernetes container runtime in one file.
 *
 * @module
 */
import { main } from "./src/cli/mod.ts";

Deno.exit(await main(Deno.args));
