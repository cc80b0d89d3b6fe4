/**
 * One boot of a virtual node with the steps that it takes, and what became of each.
 *
 * @module
 */
import { join } from "@std/path";
import { type VmImage, vmImage } from "./image.ts";
import { type DiskContent, prepareDisk, type Step, stepNames } from "./jobs.ts";
import { type MachineResult, runMachine } from "./machine.ts";
import { type SecurityModule, suiteNamed } from "./suites.ts";
import { type CritestVerdict, critestVerdict, type SpecFilter } from "./verdict.ts";

export interface Boot extends DiskContent {
  /** A Debian release. */
  readonly suite: string;
  /** Default `apparmor`. */
  readonly securityModule?: SecurityModule;
  readonly steps: readonly Step[];
  /** For all steps. */
  readonly minutes: number;
  /** Called with every line of output. */
  readonly say: (line: string) => void;
}

export interface StepResult {
  readonly step: Step;
  readonly name: string;
  /** `undefined` when it did not end: the machine went down, or its time was up. */
  readonly code: number | undefined;
  readonly seconds: number;
  /** Of the job `critest`. */
  readonly verdict: CritestVerdict | undefined;
  readonly passed: boolean;
}

export interface BootResult extends MachineResult {
  readonly steps: readonly StepResult[];
}

/** Boots a node, runs the steps one after the other and judges them. */
export async function runBoot(boot: Boot): Promise<BootResult> {
  const { steps, say } = boot;
  const image: VmImage = await vmImage(suiteNamed(boot.suite), say);
  const directory = await Deno.makeTempDir({ prefix: "crid-vm-job-" });
  try {
    await prepareDisk(directory, steps, boot);
    say(`boot ${boot.suite} for ${steps.length === 1 ? "1 step" : `${steps.length} steps`}`);
    const result = await runMachine({
      image,
      directory,
      timeoutMs: boot.minutes * 60_000,
      onOutput: say,
      ...(boot.securityModule === undefined ? {} : { securityModule: boot.securityModule }),
    });
    const names = stepNames(steps);
    const { securityModule = "apparmor" } = boot;
    const node = { securityModule, cannot: image.suite.cannot };
    const all = steps.map((step, at) => stepResult(step, names[at]!, result.results, node));
    return { ...result, steps: await Promise.all(all) };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A step leaves `end`, with its exit code and its seconds, and critest's report. */
async function stepResult(
  step: Step,
  name: string,
  results: ReadonlyMap<string, string>,
  node: Pick<SpecFilter, "securityModule" | "cannot">,
): Promise<StepResult> {
  const end = results.get(join(name, "end"))?.trim().split(" ").map(Number);
  const [code, seconds = 0] = end ?? [];
  const report = results.get(join(name, "critest.json"));
  const { FOCUS: focus, SKIP: skip } = step.variables ?? {};
  const filter = { focus, skip, ...node };
  const verdict = report === undefined ? undefined : await critestVerdict(report, filter);
  const passed = code === 0 && (verdict === undefined || verdict.broken.length === 0);
  return { step, name, code, seconds, verdict, passed };
}
