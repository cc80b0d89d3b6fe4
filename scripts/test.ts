/**
 * Runs every check and test suite and counts: `deno run -A scripts/test.ts [SUITE|PATH...]`.
 * The last line is `N passed, N failed, N skipped`.
 *
 * @module
 */
import { join } from "@std/path";
import { repository } from "./build/paths.ts";
import { add, type Count, NOTHING, readReport } from "./test/report.ts";

/** One part of the whole: a check by a tool, or a directory of tests. */
type Stage =
  | { readonly kind: "tool"; readonly name: string; readonly args: readonly string[] }
  | { readonly kind: "tests"; readonly name: string; readonly paths: readonly string[] };

const CHECKS: readonly Stage[] = [
  { kind: "tool", name: "check", args: ["task", "--quiet", "check"] },
  { kind: "tool", name: "lint", args: ["task", "--quiet", "lint"] },
  { kind: "tool", name: "fmt", args: ["fmt", "--check", "--quiet"] },
  { kind: "tool", name: "build", args: ["run", "-A", "scripts/build.ts"] },
];
const SUITES = ["unit", "integration", "faults", "conformance", "vm"] as const;
/** When what still runs is killed and counts as failed, from the start: the whole has to end within 40 minutes. */
const DEADLINE_MS = 38 * 60_000;

function stagesFor(wanted: readonly string[]): readonly Stage[] {
  if (wanted.length === 0) return [...CHECKS, ...SUITES.map(suite)];
  const build = CHECKS.filter(({ name }) => name === "build");
  const paths = wanted.filter((word) => !isSuite(word));
  const suites = wanted.filter(isSuite).map(suite);
  return [
    ...build,
    ...suites,
    ...(paths.length === 0 ? [] : [{ kind: "tests", name: "files", paths } as const]),
  ];
}

function isSuite(word: string): boolean {
  return (SUITES as readonly string[]).includes(word);
}

function suite(name: string): Stage {
  return { kind: "tests", name, paths: [`tests/${name}`] };
}

/** Why a suite cannot run on this machine; said, and counted as skipped. */
async function obstacle(stage: Stage): Promise<string | undefined> {
  if (stage.kind === "tool" || stage.name === "unit") return undefined;
  if (Deno.uid() !== 0) return "it needs root";
  if (["conformance", "vm"].includes(stage.name) && !await has("go")) {
    return "crictl and critest are built with Go, which is not installed";
  }
  return stage.name === "vm" ? await vmObstacle() : undefined;
}

/** A virtual node takes programs to make it and an image, which is built here if need be. */
async function vmObstacle(): Promise<string | undefined> {
  const missing = await missingOf(VM_PROGRAMS);
  if (missing.length > 0) return `a virtual node needs ${missing.join(" and ")}`;
  const { ImageUnavailable, vmImage } = await import("../tests/vm/image.ts");
  const { SUITES: [release] } = await import("../tests/vm/suites.ts");
  try {
    await vmImage(release!, console.log);
    return undefined;
  } catch (error) {
    if (error instanceof ImageUnavailable) return `no image of a node: ${error.message}`;
    throw error;
  }
}

/** What builds and boots a virtual node. */
const VM_PROGRAMS = ["debootstrap", "mke2fs", "qemu-system-x86_64"];

async function missingOf(programs: readonly string[]): Promise<readonly string[]> {
  const there = await Promise.all(programs.map(has));
  return programs.filter((_, at) => !there[at]);
}

/** Whether a program is on PATH, or where Go's own archive goes. */
async function has(program: string): Promise<boolean> {
  const directories = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/local/go/bin"];
  for (const directory of directories) {
    if (await Deno.stat(join(directory, program)).then(() => true, () => false)) return true;
  }
  return false;
}

async function runStage(stage: Stage): Promise<Count> {
  const why = await obstacle(stage);
  if (why !== undefined) {
    console.log(`${stage.name}: skipped: ${why}`);
    return { ...NOTHING, skipped: 1 };
  }
  return stage.kind === "tool" ? await runTool(stage.args) : await runTests(stage.paths);
}

async function runTool(args: readonly string[]): Promise<Count> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: repository,
  }).spawn().status;
  return success ? { ...NOTHING, passed: 1 } : { ...NOTHING, failed: 1 };
}

async function runTests(paths: readonly string[]): Promise<Count> {
  const report = await Deno.makeTempFile({ prefix: "crid-test-", suffix: ".xml" });
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", `--junit-path=${report}`, ...paths],
      cwd: repository,
      env: { NO_COLOR: "1", ...await builtCrid() },
    }).spawn();
    const timer = setTimeout(() => {
      console.log(
        `${paths.join(" ")}: no end ${DEADLINE_MS / 60_000} minutes after the start, killed`,
      );
      child.kill("SIGKILL");
    }, DEADLINE_MS - performance.now());
    const { success } = await child.status;
    clearTimeout(timer);
    const count = readReport(await Deno.readTextFile(report));
    // A file that could not be loaded is in no report.
    return success || count.failed > 0 ? count : { ...count, failed: 1 };
  } finally {
    await Deno.remove(report);
  }
}

/** Tests that start a whole crid take the built file, which is what people run. */
async function builtCrid(): Promise<Record<string, string>> {
  const built = join(repository, "dist/crid");
  const chosen = Deno.env.get("CRID_BINARY");
  if (chosen !== undefined) return { CRID_BINARY: chosen };
  const there = await Deno.stat(built).then(() => true, () => false);
  return there ? { CRID_BINARY: built } : {};
}

if (import.meta.main) {
  let total = NOTHING;
  for (const stage of stagesFor(Deno.args)) {
    console.log(`\n=== ${stage.name}`);
    const started = performance.now();
    const count = await runStage(stage).catch((error) => {
      console.log(`${stage.name}: ${error instanceof Error ? error.message : error}`);
      return { ...NOTHING, failed: 1 };
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`=== ${stage.name}: ${describe(count)} in ${seconds} s`);
    total = add(total, count);
  }
  console.log(`\n${describe(total)}`);
  if (total.failed > 0) Deno.exit(1);
}

function describe({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
