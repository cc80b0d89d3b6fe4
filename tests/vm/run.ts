/**
 * Jobs in a virtual node, by hand; see USAGE.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { dirname, join } from "@std/path";
import { repository } from "../../scripts/build/paths.ts";
import { type Boot, type BootResult, runBoot, type StepResult } from "./boot.ts";
import { jobNames, MANAGERS, RUNTIMES, type Step } from "./jobs.ts";
import { LANE } from "./lane.ts";
import { SUITES } from "./suites.ts";

const USAGE = `usage: ./dev vm [OPTION...] [JOB...]
       ./dev vm --all [--suite SUITE]

jobs (default smoke), one after the other in one node:
  smoke         install, start, a pod's whole life, restart, uninstall
  reboot        a reboot with pods running
  unified       what cgroup v2 shows: limits, updates, kills for memory, swap, freezer, figures
  units         what systemd shows: slices, scopes, limits that stay, a bus that hangs
  service       what systemd is told: ready, reload, watchdog, crashes
  apparmor      profiles
  integration   integration tests to which a node makes a difference; --set PATHS='FILE...'
  critest       critest; --set FOCUS=RE, --set SKIP=RE, --set PARALLEL=N, --set RPC_TIMEOUT=180s
  selinux       labels of processes; with --suite trixie --lsm selinux
  shell         a script of yours, --script FILE, with the functions of tests/vm/jobs/node.sh

options:
  --all                         everything, on every suite: tests/vm/lane.ts
  --suite NAME                  bookworm or trixie, emulated (default bookworm); uml-bookworm or
                                uml-trixie, quick, without cpuset and pressure
  --manager systemd,cgroupfs    cgroup_manager (default systemd); each job with each
  --runtime crun,runc           default_runtime (default crun); each job with each
  --lsm apparmor|selinux        security module of the kernel (default apparmor)
  --minutes N                   longest time (default 30)
  --results DIR                 where the console, logs and reports go
  --crid FILE                   the built crid (default dist/crid)
  --set NAME=VALUE              a variable for the jobs
`;

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    all: { type: "boolean", default: false },
    suite: { type: "string" },
    manager: { type: "string", default: MANAGERS[0] },
    runtime: { type: "string", default: RUNTIMES[0] },
    lsm: { type: "string", default: "apparmor" },
    minutes: { type: "string", default: "30" },
    crid: { type: "string" },
    results: { type: "string" },
    set: { type: "string", multiple: true, default: [] },
    script: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const crid = values.crid ?? join(repository, "dist/crid");
const started = performance.now();
Deno.exitCode = values.help ? help() : await main();

function help(): number {
  console.log(USAGE);
  return 0;
}

async function main(): Promise<number> {
  const wanted = values.all ? lane() : [await byHand()];
  if (wanted.length === 0) return misuse(`no lane for ${values.suite}`);
  const results: { readonly suite: string; readonly steps: readonly StepResult[] }[] = [];
  for (const boot of wanted) {
    const result = await runBoot(boot);
    await keep(boot, result);
    results.push({ suite: boot.suite, steps: result.steps });
    if (result.steps.some(({ code }) => code === undefined)) {
      say(`${boot.suite} ended too early; its console ends:\n${result.console.slice(-2000)}`);
    }
    for (const step of result.steps) tellVerdict(step);
  }
  for (const { suite, steps } of results) {
    for (const step of steps) console.log(summary(suite, step));
  }
  return results.every(({ steps }) => steps.every(({ passed }) => passed)) ? 0 : 1;
}

function lane(): Boot[] {
  return LANE.filter(({ suite }) => values.suite === undefined || values.suite === suite)
    .map((boot) => ({ ...boot, crid, say }));
}

async function byHand(): Promise<Boot> {
  const names = positionals.length === 0 ? ["smoke"] : positionals;
  const known = await jobNames();
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) misuse(`there is no job ${unknown}; there are ${known.join(", ")}`);
  const variables = Object.fromEntries(values.set.map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
  const steps = names.flatMap((job) =>
    listed(values.manager, MANAGERS).flatMap((manager) =>
      listed(values.runtime, RUNTIMES).map((runtime): Step => ({
        ...{ job, manager, runtime, variables },
      }))
    )
  );
  return {
    suite: values.suite ?? SUITES[0]!.name,
    securityModule: values.lsm === "selinux" ? "selinux" : "apparmor",
    steps,
    minutes: Number(values.minutes),
    crid,
    say,
    ...(values.script === undefined ? {} : { script: await Deno.readTextFile(values.script) }),
  };
}

/** Words of `text` between commas, all of which have to be known. */
function listed<Word extends string>(text: string, known: readonly Word[]): readonly Word[] {
  return text.split(",").map((word) =>
    known.find((each) => each === word) ??
      misuse(`${word} is none of ${known.join(", ")}`)
  );
}

function misuse(what: string): never {
  console.error(`vm: ${what}`);
  Deno.exit(2);
}

function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(7);
  console.log(`${seconds} ${line}`);
}

/** Puts console, logs and reports where they were asked for. */
async function keep(boot: Boot, { console, output, results }: BootResult): Promise<void> {
  if (values.results === undefined) return;
  const { suite, securityModule = "apparmor" } = boot;
  const files = [["console", console], ["output", output], ...results] as const;
  for (const [file, text] of files) {
    const path = join(values.results, `${suite}-${securityModule}`, file);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
}

/** critest fails for any spec; only those count that have passed before. */
function tellVerdict({ name, verdict }: StepResult): void {
  if (verdict === undefined) return;
  const { broken, unlisted, others, passed } = verdict;
  for (const spec of broken) {
    console.log(`BROKEN, ${spec.state}: ${spec.name}\n    ${spec.message}`);
  }
  for (const spec of others) {
    console.log(`not expected, ${spec.state}: ${spec.name}\n    ${spec.message}`);
  }
  for (const spec of unlisted) console.log(`passes and is not listed yet: ${spec}`);
  console.log(`${name}: ${passed} specs passed, ${broken.length} that must pass did not`);
}

function summary(suite: string, { name, code, seconds, passed, verdict }: StepResult): string {
  const how = passed ? "ok" : code === undefined ? "NO END" : "FAILED";
  const specs = verdict === undefined ? "" : `, ${verdict.passed} specs`;
  return `${how.padEnd(7)} ${suite} ${name}: ${seconds} s${specs}`;
}
