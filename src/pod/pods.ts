import type { Duplex } from "node:stream";
import { CridError } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import type { CommandStreams, LinuxResources, WantedStreams } from "../oci/mod.ts";
import type { MetricGroup, PodMetrics } from "../stats/mod.ts";
import type { Container } from "./container.ts";
import { execInContainer } from "./container_exec.ts";
import { reconcile } from "./container_exit.ts";
import { reopenContainerLog } from "./container_log.ts";
import { pauseContainer, unpauseContainer } from "./container_pause.ts";
import { removeContainer } from "./container_remove.ts";
import { startContainer } from "./container_start.ts";
import { stopContainer } from "./container_stop.ts";
import { attachStreams, execStreams, requireExec, requireProcess } from "./container_streams.ts";
import { updateContainerResources } from "./container_update.ts";
import type { PodContext, PodDependencies } from "./context.ts";
import { EventHub } from "./events.ts";
import { followExits } from "./exits.ts";
import { IdIndex } from "./id_index.ts";
import { Leftovers } from "./leftovers.ts";
import { listContainers, listSandboxes } from "./lists.ts";
import { NamedCreations } from "./named_creations.ts";
import { Queue } from "./queue.ts";
import { restore } from "./restore.ts";
import type { Sandbox } from "./sandbox.ts";
import { connectToPort, requireNetwork } from "./sandbox_connect.ts";
import { removeSandbox, stopSandbox } from "./sandbox_stop.ts";
import { updateSandboxResources } from "./sandbox_update.ts";
import { containerInfo, sandboxInfo } from "./status_info.ts";
import { now } from "./time.ts";
import type {
  Condition,
  ContainerConfig,
  ContainerEvent,
  ContainerEventType,
  ContainerFilter,
  ContainerStatsEntry,
  ContainerStatus,
  ContainerView,
  ExecOutput,
  HandlerView,
  Pods,
  SandboxConfig,
  SandboxFilter,
  SandboxStatsEntry,
  SandboxStatus,
  SandboxView,
} from "./types.ts";
import { containerStats, sandboxMetrics, sandboxStats } from "./usage.ts";

/**
 * Restores the node's pods and begins to watch them. Disposing it stops the watching; containers
 * keep running.
 */
export async function createPods(dependencies: PodDependencies): Promise<Pods & AsyncDisposable> {
  const service = new PodService(dependencies);
  await service.open();
  return service;
}

class PodService implements Pods, AsyncDisposable {
  readonly #context: PodContext;
  readonly #creations: NamedCreations;
  #exits: AsyncDisposable | undefined;

  constructor(dependencies: PodDependencies) {
    this.#context = {
      ...dependencies,
      sandboxes: new IdIndex<Sandbox>("pod sandbox"),
      containers: new IdIndex<Container>("container"),
      names: new Map(),
      events: new EventHub((count) => log.error(`dropped ${count} container events`)),
      leftovers: new Leftovers(),
      idSearch: new Queue(),
      imageVolumes: new Map(),
      emit: (type, sandbox, subject) => this.#emit(type, sandbox, subject),
    };
    this.#creations = new NamedCreations(this.#context);
  }

  async open(): Promise<void> {
    await restore(this.#context);
    this.#exits = await followExits(this.#context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exits?.[Symbol.asyncDispose]();
    await this.#creations[Symbol.asyncDispose]();
    this.#context.leftovers[Symbol.dispose]();
  }

  get cgroupDriver(): "systemd" | "cgroupfs" {
    return this.#context.cgroups.kind;
  }

  // Sandboxes

  runSandbox(config: SandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<string> {
    return this.#creations.runSandbox(config, runtimeHandler, signal);
  }

  async stopSandbox(id: string): Promise<void> {
    const sandbox = this.#context.sandboxes.find(id);
    if (sandbox === undefined) return;
    await stopSandbox(this.#context, sandbox);
  }

  async removeSandbox(id: string): Promise<void> {
    const sandbox = this.#context.sandboxes.find(id);
    if (sandbox === undefined) return;
    await removeSandbox(this.#context, sandbox);
  }

  sandboxStatus(id: string): Promise<SandboxStatus> {
    return Promise.try(() => this.#sandboxStatus(this.#visibleSandbox(id)));
  }

  sandboxes(filter: SandboxFilter): readonly SandboxView[] {
    return listSandboxes(this.#context, filter);
  }

  // Containers

  async createContainer(
    sandboxId: string,
    config: ContainerConfig,
    signal: AbortSignal,
  ): Promise<string> {
    const sandbox = this.#visibleSandbox(sandboxId);
    return await this.#creations.createContainer(sandbox, config, signal);
  }

  async startContainer(id: string): Promise<void> {
    await startContainer(this.#context, this.#visibleContainer(id));
  }

  async stopContainer(id: string, timeout: number): Promise<void> {
    const container = this.#context.containers.find(id);
    if (container !== undefined) await stopContainer(this.#context, container, timeout);
  }

  async removeContainer(id: string): Promise<void> {
    const container = this.#context.containers.find(id);
    if (container !== undefined) await removeContainer(this.#context, container);
  }

  async containerStatus(id: string): Promise<ContainerStatus> {
    const container = this.#visibleContainer(id);
    // One that is just being started is not to end before everybody has heard of its start.
    if (container.state === "running") await reconcile(this.#context, container);
    return {
      ...container.status(),
      // A whole spec as text, which few ask for.
      get info() {
        return containerInfo(container);
      },
    };
  }

  containers(filter: ContainerFilter): readonly ContainerView[] {
    return listContainers(this.#context, filter);
  }

  async updateContainerResources(id: string, resources: LinuxResources): Promise<void> {
    await updateContainerResources(this.#context, this.#visibleContainer(id), resources);
  }

  async updateSandboxResources(
    id: string,
    overhead: LinuxResources | undefined,
    resources: LinuxResources | undefined,
  ): Promise<void> {
    const update = { overhead, resources };
    await updateSandboxResources(this.#context, this.#visibleSandbox(id), update);
  }

  async pauseContainer(id: string): Promise<void> {
    await pauseContainer(this.#context, this.#visibleContainer(id));
  }

  async unpauseContainer(id: string): Promise<void> {
    await unpauseContainer(this.#context, this.#visibleContainer(id));
  }

  async execSync(
    id: string,
    command: readonly string[],
    timeout: number,
    signal: AbortSignal,
  ): Promise<ExecOutput> {
    const container = this.#visibleContainer(id);
    return await execInContainer(this.#context, container, command, timeout, signal);
  }

  async reopenContainerLog(id: string): Promise<void> {
    await reopenContainerLog(this.#context, this.#visibleContainer(id));
  }

  // Streams

  requireExec(id: string): string {
    const container = this.#visibleContainer(id);
    requireExec(container);
    return container.id;
  }

  exec(id: string, command: readonly string[], wanted: WantedStreams): CommandStreams {
    return execStreams(this.#context, this.#visibleContainer(id), command, wanted);
  }

  requireAttach(id: string): string {
    const container = this.#visibleContainer(id);
    requireProcess(container);
    return container.id;
  }

  attach(id: string, wanted: WantedStreams): CommandStreams {
    return attachStreams(this.#context, this.#visibleContainer(id), wanted);
  }

  requirePorts(id: string): string {
    const sandbox = this.#visibleSandbox(id);
    requireNetwork(sandbox);
    return sandbox.id;
  }

  async connect(sandboxId: string, port: number): Promise<Duplex> {
    return await connectToPort(this.#visibleSandbox(sandboxId), port);
  }

  // Statistics

  async containerStats(id: string): Promise<ContainerStatsEntry> {
    const container = this.#visibleContainer(id);
    const entry = await containerStats(this.#context, container);
    if (entry !== undefined) return entry;
    throw new CridError("not_found", `container ${container.id} is not running: it uses nothing`);
  }

  async listContainerStats(filter: ContainerFilter): Promise<readonly ContainerStatsEntry[]> {
    const running = this.containers({ ...filter, state: "running" });
    const entries = running.map(async ({ id }) => {
      const container = this.#context.containers.find(id);
      return container === undefined ? undefined : await containerStats(this.#context, container);
    });
    return (await Promise.all(entries)).filter((entry) => entry !== undefined);
  }

  async sandboxStats(id: string): Promise<SandboxStatsEntry> {
    return await sandboxStats(this.#context, this.#visibleSandbox(id));
  }

  async listSandboxStats(filter: SandboxFilter): Promise<readonly SandboxStatsEntry[]> {
    const entries = this.sandboxes({ ...filter, state: "ready" }).map(async ({ id }) => {
      const sandbox = this.#context.sandboxes.find(id);
      return sandbox === undefined ? undefined : await sandboxStats(this.#context, sandbox);
    });
    return (await Promise.all(entries)).filter((entry) => entry !== undefined);
  }

  async metrics(groups: readonly MetricGroup[]): Promise<readonly PodMetrics[]> {
    const ready = Array.from(this.#context.sandboxes.values())
      .filter((sandbox) => sandbox.visible && !sandbox.stopped);
    return await Promise.all(
      ready.map((sandbox) => sandboxMetrics(this.#context, sandbox, groups)),
    );
  }

  // The runtime

  imageUser(imageId: string): string | undefined {
    for (const { id, parts } of this.#context.containers.values()) {
      if (parts.imageId === imageId) return id;
    }
    for (const [id, images] of this.#context.imageVolumes) if (images.includes(imageId)) return id;
    return undefined;
  }

  events(signal: AbortSignal): AsyncIterable<ContainerEvent> {
    return this.#context.events.subscribe(signal);
  }

  async conditions(): Promise<readonly Condition[]> {
    const network = await this.#context.network.status();
    return [
      { type: "RuntimeReady", status: true, reason: "", message: "" },
      {
        type: "NetworkReady",
        status: network.ready,
        reason: network.reason,
        message: network.message,
      },
    ];
  }

  handlers(): readonly HandlerView[] {
    const { handlers, options } = this.#context;
    const views = Array.from(handlers.values(), (handler): HandlerView => ({
      name: handler.name,
      recursiveReadonlyMounts: handler.features.recursiveReadonlyMounts,
      userNamespaces: handler.features.userNamespaces,
    }));
    const byDefault = views.find((view) => view.name === options.defaultHandler);
    return byDefault === undefined ? views : [...views, { ...byDefault, name: "" }];
  }

  handlersInUse(): ReadonlySet<string> {
    return new Set(Array.from(this.#context.sandboxes.values(), ({ parts }) => parts.handler));
  }

  updateRuntimeConfig(podCidr: string): void {
    log.debug(`Pod CIDR ${podCidr} is left to CNI`);
  }

  // Inside

  #visibleSandbox(id: string): Sandbox {
    const sandbox = this.#context.sandboxes.get(id);
    if (sandbox.visible) return sandbox;
    throw new CridError("not_found", `pod sandbox ${id} is not yet created`);
  }

  #visibleContainer(id: string): Container {
    const container = this.#context.containers.get(id);
    if (container.visible) return container;
    throw new CridError("not_found", `container ${id} is not yet created`);
  }

  #sandboxStatus(sandbox: Sandbox): SandboxStatus {
    const context = this.#context;
    return {
      ...sandbox.view(),
      ips: sandbox.ips,
      namespaces: sandbox.parts.config.security.namespaces,
      get info() {
        return sandboxInfo(context, sandbox);
      },
    };
  }

  #emit(type: ContainerEventType, sandbox: Sandbox, subject: Sandbox | Container): void {
    if (!subject.visible) return;
    log.debug(`Container event CONTAINER_${type.toUpperCase()}_EVENT generated for ${subject.id}`);
    if (!this.#context.events.listening) return;
    this.#context.events.publish({
      containerId: subject.id,
      type,
      createdAt: now(),
      sandbox: this.#sandboxStatus(sandbox),
      containers: Array.from(sandbox.containers, (container) => container.status()),
    });
  }
}
