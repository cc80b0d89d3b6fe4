import { isAlive } from "../oci/mod.ts";
import type { MetricGroup, MetricsContainer, PodMetrics } from "../stats/mod.ts";
import type { Container } from "./container.ts";
import type { PodContext } from "./context.ts";
import type { Sandbox } from "./sandbox.ts";
import type { ContainerStatsEntry, SandboxStatsEntry } from "./types.ts";

/** What a container uses; `undefined` when it does not run. */
export async function containerStats(
  context: PodContext,
  container: Container,
): Promise<ContainerStatsEntry | undefined> {
  if (container.state !== "running" && container.state !== "created") return undefined;
  const { cgroupParent } = container.parts.sandbox.parts;
  const usage = await context.stats.container({
    id: container.id,
    cgroupPath: context.cgroups.containerPath(cgroupParent, container.id),
    upperDir: await context.store.containerUpperDir(container.id),
  });
  return usage === undefined ? undefined : { container: container.view(), usage };
}

/** What a pod uses, and each of its running containers. */
export async function sandboxStats(
  context: PodContext,
  sandbox: Sandbox,
): Promise<SandboxStatsEntry> {
  const containers = Array.from(sandbox.containers).filter((one) => one.visible);
  const [usage, entries] = await Promise.all([
    context.stats.pod({
      id: sandbox.id,
      cgroupPath: context.cgroups.podPath(sandbox.parts.cgroupParent),
      pid: anyProcess(sandbox),
    }),
    Promise.all(containers.map((container) => containerStats(context, container))),
  ]);
  return {
    sandbox: sandbox.view(),
    usage,
    containers: entries.filter((entry) => entry !== undefined),
  };
}

/** The metrics of a pod and its running containers. */
export async function sandboxMetrics(
  context: PodContext,
  sandbox: Sandbox,
  groups: readonly MetricGroup[],
): Promise<PodMetrics> {
  const { id, parts } = sandbox;
  const running = Array.from(sandbox.containers)
    .filter((container) => container.visible && container.state === "running");
  return await context.stats.metrics({
    id,
    cgroupPath: context.cgroups.podPath(parts.cgroupParent),
    pid: anyProcess(sandbox),
    name: parts.config.metadata.name,
    namespace: parts.config.metadata.namespace,
    containers: await Promise.all(running.map((each) => metricsContainer(context, each))),
    groups,
  });
}

async function metricsContainer(
  context: PodContext,
  container: Container,
): Promise<MetricsContainer> {
  const { id, parts, startedAt, init } = container;
  return {
    id,
    cgroupPath: context.cgroups.containerPath(parts.sandbox.parts.cgroupParent, id),
    upperDir: await context.store.containerUpperDir(id),
    name: parts.config.metadata.name,
    image: parts.config.image,
    pid: init?.pid ?? 0,
    startedAt,
  };
}

/** A process in the pod's network namespace, by which its interfaces can be read. */
function anyProcess(sandbox: Sandbox): number | undefined {
  const processes = [sandbox.infra, ...Array.from(sandbox.containers, ({ init }) => init)];
  return processes.find((process) => process !== undefined && isAlive(process))?.pid;
}
