import type { Duplex } from "node:stream";
import { CridError } from "../failure/mod.ts";
import {
  type CommandStreams,
  type Exited,
  type LinuxResources,
  type WantedStreams,
  watchExits,
} from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import type { MetricGroup, PodMetrics } from "../stats/mod.ts";
import { Container } from "./container.ts";
import { makeContainer } from "./container_create.ts";
import { execInContainer } from "./container_exec.ts";
import { reconcile, settleExit } from "./container_exit.ts";
import { reopenContainerLog } from "./container_log.ts";
import { pauseContainer, unpauseContainer } from "./container_pause.ts";
import { removeContainer } from "./container_remove.ts";
import { startContainer } from "./container_start.ts";
import { attachStreams, execStreams, requireExec, requireProcess } from "./container_streams.ts";
import { containerStats, sandboxMetrics, sandboxStats } from "./usage.ts";
import { stopContainer } from "./container_stop.ts";
import { updateContainerResources } from "./container_update.ts";
import type { PodContext, PodDependencies } from "./context.ts";
import { Creations } from "./creations.ts";
import { EventHub } from "./events.ts";
import { IdIndex } from "./id_index.ts";
import { Leftovers } from "./leftovers.ts";
import { containerName, sandboxName } from "./names.ts";
import { Queue } from "./queue.ts";
import { restore } from "./restore.ts";
import { Sandbox } from "./sandbox.ts";
import { connectToPort, requireNetwork } from "./sandbox_connect.ts";
import { makeSandbox } from "./sandbox_create.ts";
import { announceStop, removeSandbox, stopSandbox } from "./sandbox_stop.ts";
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
  StringMap,
} from "./types.ts";

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
  readonly #sandboxCreations: Creations;
  readonly #containerCreations: Creations;
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
    const { sandboxes, containers } = this.#context;
    this.#sandboxCreations = new Creations({
      claim: (id) => {
        const sandbox = sandboxes.get(id);
        if (sandbox.visible) return;
        sandbox.visible = true;
        this.#emit("created", sandbox, sandbox);
        this.#emit("started", sandbox, sandbox);
      },
      abandon: (id) => this.#abandon(id, sandboxes.find(id), removeSandbox),
    });
    this.#containerCreations = new Creations({
      claim: (id) => {
        const container = containers.get(id);
        if (container.visible) return;
        container.visible = true;
        this.#emit("created", container.parts.sandbox, container);
      },
      abandon: (id) => this.#abandon(id, containers.find(id), removeContainer),
    });
  }

  async open(): Promise<void> {
    await restore(this.#context);
    const { store, options, sandboxes, containers } = this.#context;
    this.#exits = await watchExits({
      exitsDir: options.exitsDir,
      locate: (id) =>
        sandboxes.find(id) === undefined && containers.find(id) === undefined
          ? undefined
          : { persistDir: store.containerDir(id), bundle: store.containerRunDir(id) },
      onExit: (exited) => this.#onExit(exited),
    });
    // One that ended between its restore and the watch, and whose monitor was killed with it.
    for (const container of containers.values()) await reconcile(this.#context, container);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exits?.[Symbol.asyncDispose]();
    for (const creations of [this.#sandboxCreations, this.#containerCreations]) {
      await creations.settled();
      creations[Symbol.dispose]();
    }
    this.#context.leftovers[Symbol.dispose]();
  }

  get cgroupDriver(): "systemd" | "cgroupfs" {
    return this.#context.cgroups.kind;
  }

  // Sandboxes

  runSandbox(config: SandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<string> {
    const context = this.#context;
    const name = sandboxName(config.metadata);
    return this.#sandboxCreations.join(name, signal, async () => {
      const existing = context.names.get(name);
      if (existing !== undefined) return existing;
      await context.leftovers.settle(name);
      const sandbox = await makeSandbox(context, config, runtimeHandler);
      context.sandboxes.add(sandbox);
      context.names.set(name, sandbox.id);
      return sandbox.id;
    });
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
    const views: SandboxView[] = [];
    for (const sandbox of matching(this.#context.sandboxes, filter.id)) {
      if (!sandbox.visible) continue;
      const view = sandbox.view();
      if (filter.state !== undefined && view.state !== filter.state) continue;
      if (hasLabels(view.labels, filter.labels)) views.push(view);
    }
    return views;
  }

  // Containers

  async createContainer(
    sandboxId: string,
    config: ContainerConfig,
    signal: AbortSignal,
  ): Promise<string> {
    const context = this.#context;
    const sandbox = this.#visibleSandbox(sandboxId);
    const name = containerName(config.metadata, sandbox.parts.config.metadata);
    // The name tells the pod but not which of its sandboxes, and the kubelet goes on to the next one.
    return await this.#containerCreations.join(`${name} in ${sandbox.id}`, signal, async () => {
      const existing = madeBefore(context, name, sandbox);
      if (existing !== undefined) return existing.id;
      await context.leftovers.settle(name);
      return (await makeContainer(context, sandbox, config)).id;
    });
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
    const sandboxId = filter.sandboxId === undefined || filter.sandboxId === ""
      ? undefined
      : this.#context.sandboxes.find(filter.sandboxId)?.id ?? "";
    const views: ContainerView[] = [];
    for (const container of matching(this.#context.containers, filter.id)) {
      if (!container.visible) continue;
      const view = container.view();
      if (sandboxId !== undefined && view.sandboxId !== sandboxId) continue;
      if (filter.state !== undefined && view.state !== filter.state) continue;
      if (hasLabels(view.labels, filter.labels)) views.push(view);
    }
    return views;
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
    // Clients that name no handler look for the empty name.
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

  #onExit(exited: Exited): void {
    const { containers, sandboxes } = this.#context;
    const container = containers.find(exited.id);
    if (container !== undefined) {
      container.queue.run(() =>
        settleExit(this.#context, container, {
          code: exited.exitCode,
          finishedAt: exited.finishedAt,
          oomKilled: exited.oomKilled,
          error: "",
        })
      );
      return;
    }
    const sandbox = sandboxes.find(exited.id);
    if (sandbox === undefined || sandbox.stopped) return;
    // Without its infra process a pod that shares PIDs is over: the kubelet makes a new one.
    log.warn(`The infra process of pod sandbox ${sandbox.id} has exited`, { id: sandbox.id });
    sandbox.infra = undefined;
    sandbox.stopped = true;
    announceStop(this.#context, sandbox);
  }

  async #abandon<T extends { readonly visible: boolean }>(
    id: string,
    thing: T | undefined,
    remove: (context: PodContext, thing: T) => Promise<void>,
  ): Promise<void> {
    if (thing === undefined || thing.visible) return;
    log.info(`Nobody has asked again for ${id}, removing it`, { id });
    await remove(this.#context, thing);
  }

  #emit(type: ContainerEventType, sandbox: Sandbox, subject: Sandbox | Container): void {
    if (!this.#context.events.listening || !subject.visible) return;
    this.#context.events.publish({
      containerId: subject.id,
      type,
      createdAt: now(),
      sandbox: this.#sandboxStatus(sandbox),
      containers: Array.from(sandbox.containers, (container) => container.status()),
    });
    log.debug(`Container event CONTAINER_${type.toUpperCase()}_EVENT generated for ${subject.id}`);
  }
}

/**
 * The container of that name, for a client that has not heard of it.
 *
 * @throws {CridError} `already_exists` when it is in another sandbox of the pod.
 */
function madeBefore(
  { names, containers }: PodContext,
  name: string,
  sandbox: Sandbox,
): Container | undefined {
  const id = names.get(name);
  const container = id === undefined ? undefined : containers.find(id);
  if (container === undefined || container.parts.sandbox === sandbox) return container;
  throw new CridError(
    "already_exists",
    `container ${name} is there as ${container.id}, in pod sandbox ${container.parts.sandbox.id}: ` +
      "remove that first",
  );
}

/** All, or the one that `id` means; an id that means nothing matches nothing. */
function matching<T extends { readonly id: string }>(
  index: IdIndex<T>,
  id: string | undefined,
): Iterable<T> {
  if (id === undefined || id === "") return index.values();
  const found = index.find(id);
  return found === undefined ? [] : [found];
}

function hasLabels(labels: StringMap, wanted: StringMap | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labels[key] === value);
}
