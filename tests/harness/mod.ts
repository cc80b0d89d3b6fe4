/**
 * What tests on the real thing share: a registry, crid on a node of its own, a CRI client, crictl,
 * namespaces to run apart in, and what a node left behind.
 *
 * ```ts
 * await using registry = await startRegistry();
 * await pushTestImages(registry.url, ["e2e-test-images/busybox"]);
 * await using crid = await startCrid({ registry: registry.host });
 * const pod = podConfig(crid);
 * const podId = await runPod(crid, pod);
 * const id = await runContainer(crid, podId, pod, containerConfig());
 * assert.equal((await execShell(crid, id, "echo hello")).stdout, "hello\n");
 * await crid.removePods();
 * assert.deepEqual(await crid.leftovers(), []);
 * ```
 *
 * @module
 */

export {
  type CallOptions,
  type Calls,
  type CriClient,
  criClient,
  isServiceError,
  type Partially,
} from "./cri_client.ts";
export { Crid, cridCommand, type CridOptions, startCrid } from "./crid.ts";
export { crictl, crictlOutput, type CrictlResult } from "./crictl.ts";
export { startImageRegistry } from "./image_registry.ts";
export { type Inventory, inventory } from "./inventory.ts";
export { isolate, type Isolation, output } from "./isolation.ts";
export { makeNode, type Node, type NodeOptions } from "./node.ts";
export {
  containerConfig,
  createContainer,
  execShell,
  exited,
  podConfig,
  runContainer,
  runPod,
} from "./pods.ts";
export { type Registry, type RegistryOptions, startRegistry } from "./registry.ts";
export { sharedCrid, type SharedCridOptions } from "./shared_crid.ts";
