/**
 * One run of critest over crid, in namespaces of its own: critest asks for fixed host ports, mounts things
 * under its temporary directory, and must share the runtime's network, mount and IPC namespaces.
 *
 * @module
 */
import { join } from "@std/path";
import { createInterface } from "node:readline";
import { DEFAULT_PATH, exit, killGroup, start } from "../../src/linux/mod.ts";
import { type Crid, isolate, startCrid, startImageRegistry } from "../harness/mod.ts";
import { CONFORMANCE_IMAGES } from "../images/mod.ts";
import { conformanceTools } from "./build.ts";

/** One spec and how it went. */
export interface SpecResult {
  /** Containers' texts and the spec's own, joined by blanks, as ginkgo prints them. */
  readonly name: string;
  /** `passed`, `failed`, `skipped`, `panicked`, `timedout`, `interrupted`, `pending`. */
  readonly state: string;
  readonly seconds: number;
  /** Of a spec that failed. */
  readonly message: string;
}

export interface CritestRun {
  readonly specs: readonly SpecResult[];
  /** What critest printed. */
  readonly output: string;
  /** What crid logged. */
  readonly log: string;
  /** What was left on the machine when all pods were gone. */
  readonly leftovers: readonly string[];
}

export interface CritestOptions {
  readonly runtime: "runc" | "crun";
  /** Regular expressions over spec names; all specs by default. */
  readonly focus?: readonly string[];
  readonly skip?: readonly string[];
  readonly parallel?: number;
  /** What its clients of exec, attach and port-forward speak. Default `spdy`. */
  readonly streaming?: "spdy" | "websocket";
  /** Called with every line that critest prints. */
  readonly onOutput?: (line: string) => void;
}

/**
 * The image of this spec is asked for by the digest of the original, which no stand-in has. What it
 * asks is asked again in tests/integration/.
 */
const PINNED_DIGEST = "public image with digest";
/** Shorter than critest's own 300 s: a runtime that hangs fails soon. */
const RPC_TIMEOUT = "60s";
const SUITE_TIMEOUT = "30m";

const WEBSOCKET = ["-websocket-exec", "-websocket-attach", "-websocket-portforward"];

/** Runs critest to its end and collects the results. */
export async function runCritest(options: CritestOptions): Promise<CritestRun> {
  const directory = await Deno.makeTempDir({ prefix: "crid-conformance-" });
  try {
    await using isolation = await isolate();
    await using registry = await startImageRegistry(
      isolation,
      CONFORMANCE_IMAGES.map(({ repository }) => repository),
    );
    await using crid = await startCrid({
      registry: registry.host,
      runtime: options.runtime,
      isolation,
    });
    const { specs, output } = await critest(crid, directory, options);
    await crid.removePods();
    return { specs, output, log: crid.log, leftovers: await crid.leftovers() };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function critest(
  crid: Crid,
  directory: string,
  options: CritestOptions,
): Promise<Pick<CritestRun, "specs" | "output">> {
  const tools = await conformanceTools();
  const temporary = join(directory, "tmp");
  await Deno.mkdir(temporary);
  const [command, ...args] = [
    ...crid.isolation?.through ?? [],
    // nsenter leaves the working directory outside; the serial suite writes its report there.
    ...["env", "-C", temporary],
    tools.critest,
    `-runtime-endpoint=unix://${crid.socket}`,
    `-runtime-service-timeout=${RPC_TIMEOUT}`,
    `-parallel=${options.parallel ?? 2}`,
    `-ginkgo.json-report=${REPORT}`,
    `-ginkgo.timeout=${SUITE_TIMEOUT}`,
    "-ginkgo.v",
    "-ginkgo.no-color",
    ...(options.streaming === "websocket" ? WEBSOCKET : []),
    ...(options.focus ?? []).map((pattern) => `-ginkgo.focus=${pattern}`),
    ...[PINNED_DIGEST, ...options.skip ?? []].map((pattern) => `-ginkgo.skip=${pattern}`),
  ];
  const child = start(command!, args, {
    env: { PATH: `${tools.directory}:${DEFAULT_PATH}`, TMPDIR: temporary, HOME: temporary },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      options.onOutput?.(line);
    });
  }
  // A test run that is given up must not go on in the background.
  using _kill = { [Symbol.dispose]: () => killGroup(child) };
  await exit(child, command!);
  const output = lines.join("\n");
  const report = await findReport(temporary);
  if (report === undefined) throw new Error(`critest wrote no report:\n${output}`);
  return { specs: readReport(await Deno.readTextFile(report)), output };
}

const REPORT = "critest-report.json";

/** The parallel runner writes beside the link that critest makes of itself, below TMPDIR. */
async function findReport(directory: string): Promise<string | undefined> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = join(directory, name);
    if (name === REPORT) return path;
    if (isDirectory && name.startsWith("cri-test")) {
      const found = await findReport(path);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** The part of ginkgo's JSON report that is of use. */
interface SpecReport {
  readonly LeafNodeType: string;
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeText: string;
  readonly State: string;
  readonly RunTime: number;
  readonly Failure?: { readonly Message?: string };
}

/** The specs of a report that critest was told to write with `-ginkgo.json-report`. */
export function readReport(text: string): SpecResult[] {
  const suites: { readonly SpecReports: readonly SpecReport[] }[] = JSON.parse(text);
  return suites.flatMap(({ SpecReports }) => SpecReports)
    .filter((spec) => spec.LeafNodeType === "It")
    .map((spec) => ({
      name: [...spec.ContainerHierarchyTexts ?? [], spec.LeafNodeText].join(" "),
      state: spec.State,
      seconds: spec.RunTime / 1e9,
      message: spec.Failure?.Message ?? "",
    }));
}
