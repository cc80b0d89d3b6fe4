/**
 * What critest said in a virtual node, held against the specs that pass there: those that pass on
 * any host (`tests/conformance/expected_pass.txt`) and those that need a real node
 * (`expected_pass.txt` beside this file).
 *
 * @module
 */
import { readReport, type SpecResult } from "../conformance/critest.ts";
import { expectedPass, judge } from "../conformance/expected.ts";
import type { SecurityModule } from "./suites.ts";

const LIST = new URL("expected_pass.txt", import.meta.url);

/** Which specs a run could pass. */
export interface SpecFilter {
  /** Regular expressions over names of specs, as critest was given them. */
  readonly focus: string | undefined;
  readonly skip: string | undefined;
  /** What the kernel ran. */
  readonly securityModule: SecurityModule;
  /** What the kernel cannot run. */
  readonly cannot: string | undefined;
}

/** Specs that only a kernel with the module can pass. */
const SPECS_OF: Readonly<Record<SecurityModule, string>> = {
  apparmor: "[k8s.io] AppArmor ",
  selinux: "[k8s.io] SELinux ",
};

export interface CritestVerdict {
  /** Listed specs that were asked for and did not pass. */
  readonly broken: readonly SpecResult[];
  /** Specs that failed and are not listed. */
  readonly others: readonly SpecResult[];
  /** Names of specs that passed and are not listed. */
  readonly unlisted: readonly string[];
  readonly passed: number;
}

/** @param report The JSON report that critest wrote. */
export async function critestVerdict(
  report: string,
  { focus, skip, securityModule, cannot }: SpecFilter,
): Promise<CritestVerdict> {
  const specs = readReport(report);
  const missing = SPECS_OF[securityModule === "apparmor" ? "selinux" : "apparmor"];
  const all = [...await expectedPass(), ...await expectedPass(LIST)];
  const asked = all.filter((name) =>
    !name.startsWith(missing) &&
    (focus === undefined || new RegExp(focus).test(name)) &&
    (skip === undefined || !new RegExp(skip).test(name)) &&
    (cannot === undefined || !new RegExp(cannot).test(name))
  );
  const { broken, unlisted } = judge(specs, new Set(asked));
  const listed = new Set(asked);
  return {
    broken,
    unlisted,
    others: specs.filter(({ name, state }) =>
      !listed.has(name) && !["passed", "skipped", "pending"].includes(state)
    ),
    passed: specs.filter(({ state }) => state === "passed").length,
  };
}
