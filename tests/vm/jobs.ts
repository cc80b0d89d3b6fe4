/**
 * What virtual nodes are told to do: shell scripts of `jobs/`, with crid, crictl, critest and a
 * registry's content beside them on the second disk.
 *
 * @module
 */
import { basename, join } from "@std/path";
import { fileURLToPath } from "node:url";
import { repository } from "../../scripts/build/paths.ts";
import { run } from "../../src/linux/mod.ts";
import { conformanceTools } from "../conformance/build.ts";
import { startRegistry } from "../harness/mod.ts";
import { CONFORMANCE_IMAGES, pushTestImages } from "../images/mod.ts";

const SCRIPTS = fileURLToPath(new URL("jobs/", import.meta.url));
/** Scripts that are no jobs: what jobs share, what runs them, what follows them. */
const SHARED = ["node", "start", "reset"];
const BUSYBOX_REPOSITORY = "e2e-test-images/busybox";

/** Built programs of packages that only builds and generators start; they are large. */
const HOST_ONLY = ["@bufbuild+buf-linux-*", "dprint-node@*", "@esbuild+*"];
/** What a run of tests needs of the repository, beside `node_modules`. */
const SOURCE = ["deno.json", "deno.lock", "mod.ts", "src", "tests", "scripts"];
/** Tests of `tests/integration/` to which a real node makes a difference. */
const NODE_TESTS = [
  "tests/integration/cgroup",
  "tests/integration/security",
  "tests/integration/isolates/service_manager_test.ts",
];

export const MANAGERS = ["systemd", "cgroupfs"] as const;
export const RUNTIMES = ["crun", "runc"] as const;

/** One job with one configuration. */
export interface Step {
  /** By its name, `smoke` for `jobs/smoke.sh`. */
  readonly job: string;
  readonly manager: typeof MANAGERS[number];
  readonly runtime: typeof RUNTIMES[number];
  /** More variables for the script. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** What goes onto the disk beside the steps. */
export interface DiskContent {
  /** The built crid. */
  readonly crid: string;
  /** Becomes `/job/script`, which the job `shell` runs. */
  readonly script?: string;
}

/** Names of all jobs. */
export async function jobNames(): Promise<readonly string[]> {
  const entries = await Array.fromAsync(Deno.readDir(SCRIPTS));
  return entries.map(({ name }) => name.replace(/\.sh$/, ""))
    .filter((name) => !SHARED.includes(name)).sort();
}

/** Names of steps, in the order in which a node takes them: `01-smoke-crun-systemd`. */
export function stepNames(steps: readonly Step[]): readonly string[] {
  return steps.map(({ job, runtime, manager }, at) =>
    `${String(at + 1).padStart(2, "0")}-${job}-${runtime}-${manager}`
  );
}

/** Puts together what goes onto a node's second disk, in an empty directory. */
export async function prepareDisk(
  directory: string,
  steps: readonly Step[],
  { crid, script }: DiskContent,
): Promise<void> {
  const jobs = new Set(steps.map(({ job }) => job));
  await Deno.mkdir(join(directory, "steps"));
  for (const [at, name] of stepNames(steps).entries()) {
    await Deno.writeTextFile(join(directory, "steps", name), environment(steps[at]!));
  }
  await Deno.mkdir(join(directory, "jobs"));
  for await (const { name } of Deno.readDir(SCRIPTS)) {
    await Deno.copyFile(join(SCRIPTS, name), join(directory, "jobs", name));
  }
  if (script !== undefined) await Deno.writeTextFile(join(directory, "script"), script);
  await Deno.mkdir(join(directory, "bin"));
  if (jobs.delete("integration")) await copySource(directory);
  if (jobs.size > 0) await copyNode(directory, crid, jobs);
}

/** A step's variables, for a shell. */
function environment({ job, manager, runtime, variables }: Step): string {
  const all = {
    ...{ JOB: job, MANAGER: manager, RUNTIME: runtime, PATHS: NODE_TESTS.join(" ") },
    ...variables,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}='${value.replaceAll("'", `'\\''`)}'\n`).join("");
}

/** crid, what talks to it, and a registry with the images that the jobs pull. */
async function copyNode(
  directory: string,
  crid: string,
  jobs: ReadonlySet<string>,
): Promise<void> {
  const { crictl, critest, ginkgo } = await conformanceTools();
  const conformance = jobs.has("critest");
  await link(crid, join(directory, "bin/crid"));
  for (const program of [crictl, ...conformance ? [critest, ginkgo] : []]) {
    await link(program, join(directory, "bin", basename(program)));
  }
  await fillRegistry(
    join(directory, "registry"),
    conformance ? CONFORMANCE_IMAGES.map(({ repository }) => repository) : [BUSYBOX_REPOSITORY],
  );
}

/** The tests with all they import, and Deno. */
async function copySource(directory: string): Promise<void> {
  const source = join(directory, "source");
  await link(await Deno.realPath(Deno.execPath()), join(directory, "bin/deno"));
  await Deno.mkdir(source);
  const exclude = HOST_ONLY.map((name) => `--exclude=node_modules/.deno/${name}`).join(" ");
  const what = [...SOURCE, "node_modules"].join(" ");
  const { code, stderr } = await run("sh", [
    "-c",
    `tar -C '${repository}' -c ${exclude} ${what} | tar -C '${source}' -x`,
  ]);
  if (code !== 0) throw new Error(`copy the source: ${new TextDecoder().decode(stderr)}`);
}

/** The disk is made of a copy; a link spares another. */
async function link(file: string, target: string): Promise<void> {
  await Deno.link(file, target).catch(() => Deno.copyFile(file, target));
}

async function fillRegistry(storage: string, repositories: readonly string[]): Promise<void> {
  await using registry = await startRegistry({ storage });
  await pushTestImages(registry.url, repositories);
}
