/**
 * What `./dev demo` runs: one pod through its whole life over CRI, on a crid, a registry, directories and
 * namespaces of its own. Nothing of it stays on the machine, neither after Ctrl-C nor after a failure.
 *
 * It starts the file that CRID_BINARY names, or dist/crid, or crid from source.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import process from "node:process";
import type { PodSandboxConfig } from "../src/gen/runtime/v1/api.ts";
import { errorMessage } from "../src/failure/mod.ts";
import {
  containerConfig,
  type Crid,
  cridCommand,
  execShell,
  isolate,
  output,
  type Partially,
  podConfig,
  startCrid,
  startImageRegistry,
} from "../tests/harness/mod.ts";
import { duration, megabytes, Narrator } from "./demo/narrator.ts";

const IMAGE = "registry.k8s.io/crid/hello:latest";
/** How long the container's first words may take to reach the log, and how often it is read. */
const LOG_LIMIT_MS = 10_000;
const LOG_INTERVAL_MS = 20;

const interrupt = new AbortController();
const narrator = new Narrator(interrupt.signal);

async function demo(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { signal } = interrupt;
  const isolation = stack.use(await isolate());
  const registry = await narrator.step("build image, start registry", async () => {
    const result = await own(stack, startImageRegistry(isolation, ["crid/hello"]));
    return { result, note: result.host };
  });
  const crid = await narrator.step("start crid", async () => {
    const result = await own(stack, startCrid({ registry: registry.host, isolation, signal }));
    const version = await result.client.runtime.version();
    const note =
      `${version.runtimeName} ${version.runtimeVersion}, CRI ${version.runtimeApiVersion}`;
    return { result, note };
  });
  try {
    await lifeOfAPod(crid);
  } catch (error) {
    if (!interrupt.signal.aborted) narrator.show(`crid's log ends:\n${tail(crid.log)}`);
    throw error;
  }
  await narrator.step("stop crid", async () => {
    const code = await crid.stop();
    const left = await crid.leftovers();
    if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
    return { result: undefined, note: `exit code ${code}, nothing left behind` };
  });
}

/** Takes what is being made into `stack` at once: Ctrl-C may end the wait for it, but not the making. */
function own<Resource extends AsyncDisposable>(
  stack: AsyncDisposableStack,
  making: Promise<Resource>,
): Promise<Resource> {
  stack.defer(async () => {
    const made = await making.catch(() => undefined);
    await made?.[Symbol.asyncDispose]();
  });
  return making;
}

async function lifeOfAPod(crid: Crid): Promise<void> {
  const { runtime, image } = crid.client;
  const pod = podConfig(crid, { hostname: "demo", metadata: { name: "demo" } });
  const container = containerConfig({
    metadata: { name: "hello", attempt: 0 },
    image: { image: IMAGE },
    command: [],
  });

  await narrator.step("pull image", async () => {
    const { imageRef } = await image.pullImage({ image: { image: IMAGE } });
    const { image: pulled } = await image.imageStatus({ image: { image: IMAGE } });
    const size = megabytes(Number(pulled?.size ?? 0n));
    return { result: undefined, note: `${size}, id ${imageRef.slice(0, 19)}` };
  }, async () => {
    const { imageFilesystems } = await image.imageFsInfo();
    return `${megabytes(Number(imageFilesystems[0]?.usedBytes?.value ?? 0n))} unpacked`;
  });

  const { podSandboxId, ip } = await narrator.step("run pod", async () => {
    const { podSandboxId } = await runtime.runPodSandbox({ config: pod });
    const { status } = await runtime.podSandboxStatus({ podSandboxId });
    const ip = status?.network?.ip ?? "";
    if (ip === "") throw new Error(`pod ${podSandboxId} has no address`);
    return { result: { podSandboxId, ip }, note: `id ${podSandboxId.slice(0, 13)}, address ${ip}` };
  });
  const containerId = await narrator.step("create, start container", async () => {
    const request = { podSandboxId, config: container, sandboxConfig: pod };
    const { containerId: result } = await runtime.createContainer(request);
    await runtime.startContainer({ containerId: result });
    return { result, note: `id ${result.slice(0, 13)}` };
  });
  await narrator.step("read its log", async () => {
    return { result: undefined, shown: await logOf(crid, containerId) };
  });
  await narrator.step("get a page from it", async () => {
    const url = `http://${ip}/`;
    const page = await output(crid.isolation, "busybox", ["wget", "-q", "-O", "-", url]);
    return { result: undefined, note: url, shown: page };
  });
  await narrator.step("execute a command in it", async () => {
    const { stdout } = await execShell(crid, containerId, "ps -o pid,args");
    return { result: undefined, note: "ps -o pid,args", shown: stdout };
  });
  await narrator.step("measure it", () => statistics(crid, containerId));
  await narrator.step("stop container", async () => {
    await runtime.stopContainer({ containerId, timeout: 10n });
    const { status } = await runtime.containerStatus({ containerId });
    return { result: undefined, note: `exit code ${status?.exitCode}` };
  });
  await takeAway(crid, pod, podSandboxId, containerId);
}

async function takeAway(
  crid: Crid,
  pod: Partially<PodSandboxConfig>,
  podSandboxId: string,
  containerId: string,
): Promise<void> {
  const { runtime, image } = crid.client;
  await narrator.step("remove container", async () => {
    await runtime.removeContainer({ containerId });
    return { result: undefined };
  });
  await narrator.step("stop, remove pod", async () => {
    await runtime.stopPodSandbox({ podSandboxId });
    await runtime.removePodSandbox({ podSandboxId });
    return { result: undefined, note: pod.metadata?.name ?? "" };
  });
  await narrator.step("remove image", async () => {
    await image.removeImage({ image: { image: IMAGE } });
    const { images } = await image.listImages();
    return { result: undefined, note: `${images.length} images left` };
  });
}

/** The container's words so far, without what CRI's log format puts before them. */
async function logOf(crid: Crid, containerId: string): Promise<string> {
  const { status } = await crid.client.runtime.containerStatus({ containerId });
  const path = status?.logPath ?? "";
  for (const start = Date.now(); Date.now() - start < LOG_LIMIT_MS;) {
    const text = await Deno.readTextFile(path);
    if (text.endsWith("\n")) return text.replaceAll(/^\S+ \S+ \S+ /gm, "");
    await new Promise((resolve) => setTimeout(resolve, LOG_INTERVAL_MS));
  }
  throw new Error(`nothing was logged to ${path}`);
}

async function statistics(crid: Crid, containerId: string) {
  const { stats } = await crid.client.runtime.containerStats({ containerId });
  const memory = megabytes(Number(stats?.memory?.workingSetBytes?.value ?? 0n));
  const cpu = duration(Number(stats?.cpu?.usageCoreNanoSeconds?.value ?? 0n) / 1e6);
  return { result: undefined, note: `${memory} of memory, ${cpu} of CPU time` };
}

function tail(log: string): string {
  return log.split("\n").slice(-20).join("\n");
}

async function chooseBinary(): Promise<string> {
  const built = fileURLToPath(new URL("../dist/crid", import.meta.url));
  const present = await Deno.stat(built).then(() => true, () => false);
  if (present && Deno.env.get("CRID_BINARY") === undefined) Deno.env.set("CRID_BINARY", built);
  return cridCommand().join(" ");
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));
}
const start = performance.now();
narrator.say(`\ncrid demo: the life of a pod over CRI, by ${await chooseBinary()}`);
narrator.say(
  "on temporary directories and in namespaces of its own; runc and CNI are this machine's\n",
);
try {
  await demo();
  narrator.say(`\nDone in ${duration(performance.now() - start)}.`);
  process.exit(0);
} catch (error) {
  narrator.say(`\n${errorMessage(error)}; everything was taken away again.`);
  process.exit(1);
}
