/**
 * Builds crictl, critest and the ginkgo runner, as pinned in `tools/go.mod`, into
 * `.cache/conformance/<version>/`. Once per version; `deno run -A tests/conformance/build.ts` prints
 * where they are.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { dirname, join } from "@std/path";
import { DEFAULT_PATH, run } from "../../src/linux/mod.ts";

const TOOLS = fileURLToPath(new URL("tools/", import.meta.url));
const CACHE = fileURLToPath(new URL("../../.cache/conformance/", import.meta.url));
const MODULE = "sigs.k8s.io/cri-tools";
/** A cold build downloads and compiles the Kubernetes client libraries. */
const BUILD_MS = 30 * 60_000;

/** Paths of the built programs. */
export interface Tools {
  /** Of cri-tools. */
  readonly version: string;
  readonly directory: string;
  readonly crictl: string;
  readonly critest: string;
  readonly ginkgo: string;
}

/** The programs, built when they are not there yet. */
export async function conformanceTools(): Promise<Tools> {
  const version = pinnedVersion(await Deno.readTextFile(join(TOOLS, "go.mod")));
  const directory = join(CACHE, version);
  const tools = {
    version,
    directory,
    crictl: join(directory, "crictl"),
    critest: join(directory, "critest"),
    ginkgo: join(directory, "ginkgo"),
  };
  const stamp = `-X ${MODULE}/pkg/version.Version=${version}`;
  await build(tools.crictl, ["build", "-ldflags", `-s -w ${stamp}`], `${MODULE}/cmd/crictl`);
  await build(tools.critest, ["test", "-c", "-ldflags", `-s -w ${stamp}`], `${MODULE}/cmd/critest`);
  await build(tools.ginkgo, ["build", "-ldflags", "-s -w"], "github.com/onsi/ginkgo/v2/ginkgo");
  return tools;
}

function pinnedVersion(goMod: string): string {
  const pinned = new RegExp(`${MODULE} (v\\S+)`).exec(goMod);
  if (pinned === null) throw new Error(`${TOOLS}go.mod does not name ${MODULE}`);
  return pinned[1]!;
}

async function build(target: string, verb: readonly string[], pkg: string): Promise<void> {
  if (await exists(target)) return;
  await Deno.mkdir(dirname(target), { recursive: true });
  // Beside its place and renamed in: tests run in parallel and builds get interrupted.
  const temporary = `${target}.${Deno.pid}`;
  const go = await goProgram();
  const args = [...verb, "-mod=readonly", "-trimpath", "-o", temporary, pkg];
  const { code, stderr } = await run(go, args, {
    cwd: TOOLS,
    env: { ...Deno.env.toObject(), PATH: `${dirname(go)}:${DEFAULT_PATH}`, CGO_ENABLED: "0" },
    timeoutMs: BUILD_MS,
  });
  if (code !== 0) {
    throw new Error(`go ${args.join(" ")}: exit code ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  await Deno.rename(temporary, target);
}

/** Go by its usual places: distributions put it on PATH, its own archive under /usr/local/go. */
async function goProgram(): Promise<string> {
  const directories = [...DEFAULT_PATH.split(":"), "/usr/local/go/bin"];
  for (const path of directories.map((directory) => join(directory, "go"))) {
    if (await exists(path)) return path;
  }
  throw new Error("the conformance tools are built with Go 1.26 or newer, which is not installed");
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

if (import.meta.main) console.log(JSON.stringify(await conformanceTools(), null, 2));
