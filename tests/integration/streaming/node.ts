/**
 * crid with a pod, for tests of exec, attach and port-forward.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ContainerConfig } from "../../../src/gen/runtime/v1/api.ts";
import { buildNative, HELPERS, MONITOR } from "../../../scripts/build/native.ts";
import {
  containerConfig,
  Crid,
  type CridOptions,
  execShell,
  makeNode,
  type Partially,
  podConfig,
  runContainer,
  runPod,
  startRegistry,
} from "../../harness/mod.ts";
import { type CommandClient, commandClient, SpdyClient } from "../../harness/spdy_client.ts";
import { pushTestImages } from "../../images/mod.ts";

/** Streams of a client, in the order that it opens them; with `resize` there is a terminal. */
export type StreamTypes = Parameters<typeof commandClient>[1];
export const OUTPUTS: StreamTypes = ["stdout", "stderr"];
export const ALL: StreamTypes = ["stdin", "stdout", "stderr"];
export const TERMINAL: StreamTypes = ["stdin", "stdout", "resize"];

/** Bytes for tests of volume: small, unless CRID_STREAM_MEGABYTES says otherwise. */
export const VOLUME = Number(Deno.env.get("CRID_STREAM_MEGABYTES") ?? 32) * 1024 * 1024;

export interface StreamNodeOptions extends CridOptions {
  /** Default crid's own. */
  readonly monitor?: "conmon" | "native";
  /** More of every runtime handler's table, TOML. */
  readonly handlers?: string;
}

/** A node that serves streams, with one pod. */
export interface StreamNode extends AsyncDisposable {
  readonly crid: Crid;
  readonly podId: string;
  readonly pod: ReturnType<typeof podConfig>;
  /** A running container; its id. */
  container(config?: Partially<ContainerConfig>): Promise<string>;
  /** Exec of a program. */
  exec(id: string, command: readonly string[], types: StreamTypes): Promise<CommandClient>;
  /** Exec of a shell line. */
  shell(id: string, script: string, types: StreamTypes): Promise<CommandClient>;
  attach(id: string, types: StreamTypes): Promise<CommandClient>;
  /** What a shell line in a container prints, by ExecSync. */
  look(id: string, script: string): Promise<string>;
  forward(podId?: string): Promise<SpdyClient>;
  /** Removes the pods, stops crid, and says what is left on the machine. */
  close(): Promise<readonly string[]>;
}

const CONMON = "/usr/bin/conmon";

/** Starts crid with one pod. */
export async function streamNode(options: StreamNodeOptions = {}): Promise<StreamNode> {
  await Promise.all([buildNative(HELPERS), buildNative(MONITOR)]);
  await using resources = new AsyncDisposableStack();
  const registry = resources.use(await startRegistry());
  await pushTestImages(registry.url, ["e2e-test-images/busybox"]);
  const crid = resources.use(
    new Crid(await makeNode({ ...options, registry: registry.host }), options),
  );
  const config = await Deno.readTextFile(crid.node.config);
  const monitor = options.monitor === "conmon" ? CONMON : "";
  const keys = `monitor_path = "${monitor}"\n${options.handlers ?? ""}\n`;
  const changed = config.replaceAll(/^\[crio\.runtime\.runtimes\.\w+\]\n/gm, (head) => head + keys);
  await Deno.writeTextFile(crid.node.config, changed);
  await crid.start();
  const pod = podConfig(crid);
  const podId = await runPod(crid, pod);
  let names = 0;
  const rest = resources.move();
  const node: StreamNode = {
    crid,
    podId,
    pod,
    container: (config = {}) =>
      runContainer(
        crid,
        podId,
        pod,
        containerConfig({ ...config, metadata: { name: `c${names++}` } }),
      ),
    async exec(containerId, cmd, types) {
      const { url } = await crid.client.runtime.exec({ containerId, cmd, ...flags(types) });
      return await commandClient(url, types);
    },
    shell: (id, script, types) => node.exec(id, ["sh", "-c", script], types),
    async attach(containerId, types) {
      const { url } = await crid.client.runtime.attach({ containerId, ...flags(types) });
      return await commandClient(url, types);
    },
    look: async (id, script) => (await execShell(crid, id, script)).stdout.trim(),
    async forward(podSandboxId = podId) {
      const { url } = await crid.client.runtime.portForward({ podSandboxId });
      return await SpdyClient.connect(url, ["portforward.k8s.io"]);
    },
    async close() {
      await crid.removePods();
      const left = await crid.leftovers();
      await rest.disposeAsync();
      return left;
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
  return node;
}

function flags(types: StreamTypes) {
  const has = (type: StreamTypes[number]) => types.includes(type);
  return { tty: has("resize"), stdin: has("stdin"), stdout: has("stdout"), stderr: has("stderr") };
}

/** Closes a node, if it was started at all, and holds against it what is left of it. */
export async function leavesNothing(node: StreamNode | undefined): Promise<void> {
  if (node !== undefined) assert.deepEqual(await node.close(), []);
}

/** Waits until `look` finds something. */
export async function eventually<T>(
  look: () => Promise<T | undefined> | T | undefined,
  what: string,
  limitMs = 20_000,
): Promise<T> {
  const limit = Date.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > limit) throw new Error(`${what}: not after ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Waits until a shell line in a container prints `expected`. */
export async function until(
  node: StreamNode,
  id: string,
  script: string,
  expected: string,
): Promise<void> {
  let last = "";
  const look = async () => (last = await node.look(id, script)) === expected || undefined;
  await eventually(look, `${script} prints ${expected}`).catch((error) => {
    throw new Error(`${error.message}: ${last}`);
  });
}
