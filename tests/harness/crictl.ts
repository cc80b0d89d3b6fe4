/**
 * crictl against a crid under test.
 *
 * @module
 */
import { run } from "../../src/linux/mod.ts";
import { conformanceTools } from "../conformance/build.ts";
import type { Crid } from "./crid.ts";

export interface CrictlResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs crictl with the node's endpoint, inside its namespaces. A non-zero exit is a result. */
export async function crictl(crid: Crid, args: readonly string[]): Promise<CrictlResult> {
  const { crictl } = await conformanceTools();
  const [program, ...rest] = [
    ...crid.isolation?.through ?? [],
    crictl,
    ...["--config", crid.node.crictlConfig],
    ...args,
  ];
  const { code, stdout, stderr } = await run(program!, rest);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Runs crictl and returns what it printed. @throws When it fails. */
export async function crictlOutput(crid: Crid, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await crictl(crid, args);
  if (code !== 0) {
    throw new Error(`crictl ${args.join(" ")}: exit code ${code}: ${stderr}${stdout}`);
  }
  return stdout;
}
