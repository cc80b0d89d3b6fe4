import { join } from "@std/path";
import {
  buildSpec,
  createContainer,
  forgetMonitor,
  NO_IMAGE_CONFIG,
  NO_RESOURCES,
  type RuntimeHandler,
  type SpecInput,
  startContainer,
} from "../oci/mod.ts";
import { makeAccessible } from "./accessible.ts";
import { findHandler, type PodContext } from "./context.ts";
import { writeFileAtomic } from "./files.ts";
import { infraStateJson } from "./container_record.ts";
import { monitorPlacer, POD_WORKLOAD, removeMonitorCgroup } from "./monitor_cgroup.ts";
import { infraName } from "./names.ts";
import { namespaceRefs } from "./namespace_refs.ts";
import { monitorEnd } from "./process_end.ts";
import { deleteFromRuntime } from "./runtime_delete.ts";
import type { Sandbox } from "./sandbox.ts";
import { sandboxAnnotations } from "./sandbox_record.ts";
import { noSecurityContext } from "./security_context.ts";
import { specSelinux } from "./selinux.ts";
import { workloadOf, workloadResources } from "./workloads.ts";

/** The infra process is the last of its pod that the kernel should kill. */
const OOM_SCORE_ADJ = -998;
/** The least the kernel gives; the process never runs. */
const CPU_SHARES = 2;
const PAUSE = "/pause";

/**
 * Starts the process that holds a pod's shared PID namespace. It is crid's own pause program in an
 * otherwise empty root file system: no image is pulled for it.
 */
export async function startInfra(
  context: PodContext,
  sandbox: Sandbox,
  handler: RuntimeHandler,
): Promise<void> {
  const { store, options } = context;
  const { id, config } = sandbox.parts;
  const bundle = store.containerRunDir(id);
  const rootfs = await store.mountContainer(id, sandbox.parts.namespaces.user);
  const input = infraInput(context, sandbox, rootfs);
  // crid's own file must not have the label of containers, and theirs is all that they may run.
  if (input.selinux !== undefined) await Deno.copyFile(options.pausePath, join(rootfs, PAUSE));
  if (config.security.namespaces.user.mode === "pod") {
    await makeAccessible(rootfs);
    await makeAccessible(join(bundle, "config.json"));
  }
  const { spec } = await buildSpec(input, context.specDefaults, handler);
  const text = JSON.stringify(spec);
  writeFileAtomic(join(bundle, "config.json"), text);
  writeFileAtomic(join(store.containerDir(id), "config.json"), text);
  const created = await createContainer({
    id,
    name: infraName(config.metadata),
    handler,
    bundle,
    persistDir: store.containerDir(id),
    exitsDir: options.exitsDir,
    attachDir: options.attachDir,
    logPath: "",
    tty: false,
    stdin: false,
    stdinOnce: false,
    logSizeMax: options.logSizeMax,
    noPivot: options.noPivot,
    systemdCgroup: context.cgroups.kind === "systemd",
    placeMonitor: monitorPlacer(context, sandbox.parts, id, handler),
  });
  // Before anything else can fail: taking it back waits for them.
  sandbox.infra = created.init;
  sandbox.infraMonitor = created.monitor;
  await startContainer(handler, id);
  const state = infraStateJson(id, created.init, created.monitor);
  writeFileAtomic(join(store.containerDir(id), "state.json"), state);
}

/** Ends the infra process, if there is one, and unmounts its root file system; idempotent. */
export async function stopInfra(context: PodContext, sandbox: Sandbox): Promise<void> {
  if (!sandbox.parts.hasInfra) return;
  const handler = findHandler(context, sandbox.parts.handler);
  await deleteFromRuntime(context, handler, sandbox.parts.cgroupParent, sandbox.id);
  sandbox.infra = undefined;
  // The last thing that the monitor does is to write the exit file.
  await monitorEnd(sandbox.infraMonitor);
  await removeMonitorCgroup(context, sandbox.parts, sandbox.id, handler);
  await forgetMonitor(context.options, sandbox.id);
  await context.store.unmountContainer(sandbox.id);
}

function infraInput(context: PodContext, sandbox: Sandbox, rootfs: string): SpecInput {
  const { parts } = sandbox;
  const { config } = parts;
  const selinux = specSelinux(context, parts.labels, config.security, config.annotations);
  const workload = workloadOf(config.annotations, context.options.workloads);
  return {
    id: parts.id,
    rootfs,
    hostname: parts.hostname,
    command: [PAUSE],
    args: [],
    env: [],
    workingDir: "/",
    tty: false,
    stdin: false,
    image: NO_IMAGE_CONFIG,
    mounts: [],
    internalMounts: selinux !== undefined ? [] : [{
      destination: PAUSE,
      source: context.options.pausePath,
      type: "bind",
      options: ["bind", "ro", "nosuid", "nodev"],
    }],
    devices: [],
    security: {
      ...noSecurityContext(),
      namespaces: parts.config.security.namespaces,
      readonlyRootfs: true,
    },
    resources: workloadResources(workload, config.annotations, POD_WORKLOAD, {
      ...NO_RESOURCES,
      cpuShares: CPU_SHARES,
      oomScoreAdj: OOM_SCORE_ADJ,
      cpusetCpus: context.options.infraCpuset,
    }),
    cgroupsPath: context.cgroups.specPath(parts.cgroupParent, parts.id),
    namespaces: namespaceRefs(sandbox, { ...parts.config.security.namespaces, pid: "container" }),
    sysctls: {},
    annotations: sandboxAnnotations(parts),
    idMaps: parts.config.security.namespaces.user.mode === "pod"
      ? parts.config.security.namespaces.user.maps
      : undefined,
    runDir: context.store.containerRunDir(parts.id),
    role: "infra",
    selinux,
  };
}
