/**
 * Pods and containers with as few words as a test needs.
 *
 * @module
 */
import { join } from "@std/path";
import type {
  ContainerConfig,
  ContainerStatus,
  PodSandboxConfig,
} from "../../src/gen/runtime/v1/api.ts";
import { ContainerState, NamespaceMode } from "../../src/gen/runtime/v1/api.ts";
import { BUSYBOX } from "../images/mod.ts";
import type { Crid } from "./crid.ts";
import type { Partially } from "./cri_client.ts";

/** How often a container's state is looked at; CRI has no wait. */
const STATE_INTERVAL_MS = 20;
const STATE_LIMIT_MS = 30_000;

/** What the kubelet asks for unless the pod says otherwise: a PID namespace for every container. */
const NAMESPACES = { pid: NamespaceMode.CONTAINER };

/** A pod config with a name of its own, the node's cgroup parent and a log directory. */
export function podConfig(
  crid: Crid,
  config: Partially<PodSandboxConfig> = {},
): Partially<PodSandboxConfig> {
  const uid = crypto.randomUUID();
  const metadata = { name: `pod-${uid.slice(0, 8)}`, namespace: "tests", uid, attempt: 0 };
  return {
    logDirectory: join(crid.node.logs, uid),
    ...config,
    metadata: { ...metadata, ...config.metadata },
    linux: {
      cgroupParent: crid.node.cgroupParent,
      ...config.linux,
      securityContext: { namespaceOptions: NAMESPACES, ...config.linux?.securityContext },
    },
  };
}

/** A busybox container that waits, with a log. */
export function containerConfig(
  config: Partially<ContainerConfig> = {},
): Partially<ContainerConfig> {
  const name = config.metadata?.name ?? "main";
  return {
    image: { image: BUSYBOX },
    command: ["sleep", "100000"],
    logPath: `${name}.log`,
    ...config,
    linux: {
      ...config.linux,
      securityContext: { namespaceOptions: NAMESPACES, ...config.linux?.securityContext },
    },
    metadata: { name, attempt: 0, ...config.metadata },
  };
}

/** RunPodSandbox; the id. */
export async function runPod(
  crid: Crid,
  config: Partially<PodSandboxConfig>,
  runtimeHandler = "",
): Promise<string> {
  const { podSandboxId } = await crid.client.runtime.runPodSandbox({ config, runtimeHandler });
  return podSandboxId;
}

/** PullImage unless it is there, CreateContainer and StartContainer; the id. */
export async function runContainer(
  crid: Crid,
  podSandboxId: string,
  sandboxConfig: Partially<PodSandboxConfig>,
  config: Partially<ContainerConfig>,
): Promise<string> {
  const containerId = await createContainer(crid, podSandboxId, sandboxConfig, config);
  await crid.client.runtime.startContainer({ containerId });
  return containerId;
}

/** PullImage unless it is there, and CreateContainer; the id. */
export async function createContainer(
  crid: Crid,
  podSandboxId: string,
  sandboxConfig: Partially<PodSandboxConfig>,
  config: Partially<ContainerConfig>,
): Promise<string> {
  const { runtime, image } = crid.client;
  const { image: present } = await image.imageStatus({ image: config.image });
  if (present === undefined) await image.pullImage({ image: config.image });
  const { containerId } = await runtime.createContainer({ podSandboxId, sandboxConfig, config });
  return containerId;
}

/** ContainerStatus, once the container has exited. */
export async function exited(crid: Crid, containerId: string): Promise<ContainerStatus> {
  const limit = Date.now() + STATE_LIMIT_MS;
  for (;;) {
    const { status } = await crid.client.runtime.containerStatus({ containerId });
    if (status?.state === ContainerState.CONTAINER_EXITED) return status;
    if (Date.now() > limit) throw new Error(`container ${containerId} does not exit`);
    await new Promise((resolve) => setTimeout(resolve, STATE_INTERVAL_MS));
  }
}

/** ExecSync of a shell command line. */
export async function execShell(
  crid: Crid,
  containerId: string,
  script: string,
): Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number }> {
  const { stdout, stderr, exitCode } = await crid.client.runtime.execSync({
    containerId,
    cmd: ["sh", "-c", script],
    timeout: 30n,
  });
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { stdout: text(stdout), stderr: text(stderr), exitCode };
}
