import { lstatSync, unlinkSync } from "node:fs";
import { dirname, join, normalize } from "@std/path";
import { CridError } from "../failure/mod.ts";
import type { Image } from "../image/mod.ts";
import {
  buildSpec,
  createContainer,
  deleteContainer,
  forgetMonitor,
  settleOomScore,
} from "../oci/mod.ts";
import type { InternalMount, SecurityContext } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import { makeAccessible } from "./accessible.ts";
import { allowedAnnotations, allowedFor } from "./allowed_annotations.ts";
import { Container } from "./container.ts";
import { annotateRuntime, platformHandler } from "./container_handler.ts";
import { followMonitor } from "./container_exit.ts";
import { containerAnnotations, containerMetadataJson } from "./container_record.ts";
import { handlerNamed, type PodContext, unwindOf } from "./context.ts";
import { removeCgroup } from "./discard.ts";
import { writeFileAtomic } from "./files.ts";
import { linkLog } from "./log_links.ts";
import { mountImageVolumes, releaseImageVolumes } from "./image_volumes.ts";
import { monitorPlacer } from "./monitor_cgroup.ts";
import { containerName, newId } from "./names.ts";
import { namespaceRefs } from "./namespace_refs.ts";
import { monitorEnd } from "./process_end.ts";
import type { Sandbox } from "./sandbox.ts";
import { noSecurityContext } from "./security_context.ts";
import { newContainerLabels, specSelinux } from "./selinux.ts";
import { saveState } from "./state_file.ts";
import { step } from "./step.ts";
import { systemdProperties } from "./systemd_properties.ts";
import { now } from "./time.ts";
import type { ContainerConfig } from "./types.ts";
import { workloadOf, workloadResources } from "./workloads.ts";

/**
 * Makes a container in a sandbox: its writable layer, its spec, and with the monitor its process,
 * which waits to be started.
 *
 * @throws {CridError} Saying which step failed. All earlier ones are undone.
 */
export async function makeContainer(
  context: PodContext,
  sandbox: Sandbox,
  asked: ContainerConfig,
): Promise<Container> {
  refusePrivileged(asked, sandbox);
  refuseStopped(sandbox);
  const security = asked.security ?? noSecurityContext();
  const { store, options, cgroups } = context;
  const pod = sandbox.parts;
  const podHandler = handlerNamed(context, pod.handler);
  const workload = workloadOf(pod.config.annotations, options.workloads);
  const allowed = allowedFor(podHandler, workload);
  const config = { ...asked, annotations: allowedAnnotations(asked.annotations, allowed) };
  const name = containerName(config.metadata, pod.config.metadata);
  const image = await findImage(context, config);
  const { namespace } = pod.config.metadata;
  await context.images.requireAllowed({
    id: image.id,
    asked: config.image,
    userSpecified: config.userSpecifiedImage,
    namespace,
  });
  const handler = platformHandler(podHandler, image.config);
  const id = newId();
  const createdAt = now();
  const logPath = containerLogPath(sandbox, id, config);
  await using unwind = unwindOf(context, name);

  const maps = pod.config.security.namespaces.user;
  const labels = newContainerLabels(context, pod, security);
  await step("container storage creation", () =>
    store.createContainer({
      id,
      names: [name],
      image: image.id,
      metadata: containerMetadataJson(config, sandbox, image.id, createdAt),
      ...(maps.mode === "pod" ? { idMaps: maps.maps } : {}),
      labels,
    }));
  unwind.add("storage", () => context.leftovers.last(name, () => store.deleteContainer(id)));
  const rootfs = await step(
    "container storage start",
    () => store.mountContainer(id, pod.namespaces.user),
  );
  if (maps.mode === "pod") await makeAccessible(rootfs);

  const volumes = await step("container volume configuration", async () => {
    unwind.add("image volumes", () => releaseImageVolumes(context, id));
    return await mountImageVolumes(context, { id, namespace, mounts: config.mounts });
  });
  const annotated = {
    id,
    sandbox,
    config,
    createdAt,
    imageId: image.id,
    imageName: image.repoTags[0] ?? image.repoDigests[0] ?? "",
    imageRepoDigests: image.repoDigests,
    logPath,
    mountImages: volumes.imageIds,
    privileged: security.privileged,
  };
  const runDir = store.containerRunDir(id);
  const built = await step("container spec configuration", () =>
    buildSpec(
      {
        id,
        rootfs,
        hostname: pod.hostname,
        command: config.command,
        args: config.args,
        env: config.env,
        workingDir: config.workingDir,
        tty: config.tty,
        stdin: config.stdin,
        image: image.config,
        mounts: volumes.mounts,
        internalMounts: sandboxMounts(sandbox, security),
        devices: config.devices,
        security,
        cdiDevices: config.cdiDevices,
        resources: workloadResources(
          workload,
          pod.config.annotations,
          config.metadata.name,
          config.resources,
        ),
        cgroupsPath: cgroups.specPath(pod.cgroupParent, id),
        namespaces: namespaceRefs(
          sandbox,
          security.namespaces,
          context.containers.find(security.namespaces.targetId),
        ),
        sysctls: {},
        annotations: containerAnnotations(annotated, rootfs),
        ownAnnotations: config.annotations,
        imageAnnotations: allowedAnnotations(image.annotations, allowed),
        podLabels: pod.config.labels,
        idMaps: maps.mode === "pod" ? maps.maps : undefined,
        runDir,
        selinux: specSelinux(context, labels, security, pod.config.annotations),
      },
      context.specDefaults,
      handler,
    ));
  if (config.stopSignal) log.debug(`Override stop signal to ${config.stopSignal}`, { id });
  const stopSignal = config.stopSignal || built.stopSignal;
  built.spec.annotations["org.opencontainers.image.stopSignal"] = stopSignal;
  annotateRuntime(built.spec.annotations, handler, podHandler);
  if (cgroups.kind === "systemd") {
    const own = { ...built.spec.annotations };
    Object.assign(built.spec.annotations, systemdProperties(config.annotations), own);
  }
  const container = new Container({ ...annotated, user: built.user, stopSignal }, built.spec);

  await step("container runtime creation", async () => {
    const spec = JSON.stringify(built.spec);
    if (maps.mode === "pod") await makeAccessible(join(runDir, "config.json"));
    writeFileAtomic(join(runDir, "config.json"), spec);
    writeFileAtomic(join(store.containerDir(id), "config.json"), spec);
    prepareLog(logPath);
    unwind.add("exit file", async () => {
      // The last thing that the monitor does is to write it.
      await monitorEnd(container.monitor);
      await forgetMonitor(options, id);
    });
    unwind.add("cgroup", () => removeCgroup(context, pod.cgroupParent, id));
    unwind.add("runtime container", () => deleteContainer(handler, id));
    const created = await createContainer({
      id,
      name,
      handler,
      bundle: runDir,
      persistDir: store.containerDir(id),
      exitsDir: options.exitsDir,
      attachDir: options.attachDir,
      logPath,
      tty: config.tty,
      stdin: config.stdin,
      stdinOnce: config.stdinOnce,
      logSizeMax: options.logSizeMax,
      noPivot: options.noPivot,
      logToJournald: options.logToJournald,
      systemdCgroup: cgroups.kind === "systemd",
      placeMonitor: monitorPlacer(context, pod, id, handler),
    });
    settleOomScore(created.init.pid, built.spec.process.oomScoreAdj);
    container.init = created.init;
    container.monitor = created.monitor;
    followMonitor(context, container, created.closed);
  });
  saveState(context, container);
  refuseStopped(sandbox);
  // In the same turn as the check: a stop that begins now finds the container in its pod.
  sandbox.containers.add(container);
  context.containers.add(container);
  context.names.set(name, id);
  unwind.keep();
  await linkLog(container);
  log.info(`Created container ${id}: ${pod.config.metadata.namespace}/${name}`, { id });
  return container;
}

/** @throws {CridError} `failed_precondition` when the pod has been stopped. */
function refuseStopped(sandbox: Sandbox): void {
  if (!sandbox.stopped) return;
  throw new CridError(
    "failed_precondition",
    `CreateContainer failed as the sandbox was stopped: ${sandbox.id}`,
  );
}

/** @throws {CridError} `invalid_argument` for a privileged container in a pod that is not. */
function refusePrivileged(config: ContainerConfig, sandbox: Sandbox): void {
  if (!config.security?.privileged || sandbox.parts.config.security.privileged) return;
  throw new CridError(
    "invalid_argument",
    `create container ${config.metadata.name}: no privileged container allowed in sandbox`,
  );
}

async function findImage(context: PodContext, config: ContainerConfig): Promise<Image> {
  const image = await context.images.find(config.image);
  if (image !== undefined) return image;
  throw new CridError(
    "not_found",
    `image "${config.image}" is not on this node: pull it before creating a container from it`,
  );
}

/**
 * Where the container's output goes.
 *
 * @throws {CridError} `invalid_argument` for a path that leaves the pod's log directory.
 */
function containerLogPath(sandbox: Sandbox, id: string, config: ContainerConfig): string {
  const directory = sandbox.parts.logDirectory;
  const path = normalize(join(directory, config.logPath || `${id}.log`));
  if (path.startsWith(normalize(directory) + "/")) return path;
  throw new CridError(
    "invalid_argument",
    `log path ${config.logPath} is not below the pod's log directory ${directory}`,
  );
}

/** A dangling link where the log goes would make the monitor write elsewhere. */
function prepareLog(path: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) unlinkSync(path);
}

/** What every container of a pod shares: name resolution, host name, shared memory. */
function sandboxMounts(sandbox: Sandbox, security: SecurityContext): InternalMount[] {
  const { resolvPath, hostnamePath, shmPath } = sandbox.parts;
  const access = security.readonlyRootfs ? "ro" : "rw";
  const containerEnv = join(dirname(resolvPath), ".containerenv");
  const safe = ["bind", "nodev", "nosuid", "noexec"];
  return [
    {
      destination: "/etc/resolv.conf",
      source: resolvPath,
      type: "bind",
      options: [...safe, access],
    },
    {
      destination: "/etc/hostname",
      source: hostnamePath,
      type: "bind",
      options: [...safe, access],
    },
    {
      destination: "/run/.containerenv",
      source: containerEnv,
      type: "bind",
      options: [...safe, access],
    },
    { destination: "/dev/shm", source: shmPath, type: "bind", options: [...safe, "rw"] },
  ];
}
