/**
 * A container on disk: CRI-O's annotations in its spec, `state.json`, and the store's metadata.
 *
 * @module
 */
import type { OciSpec, ProcessRef } from "../oci/mod.ts";
import type { ContainerConfig, ContainerMetadata } from "./types.ts";
import type { Container, ContainerParts, Exit } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";
import { Key, MANAGER, readMap, readVolumes, volumesJson } from "./annotations.ts";
import { containerName, sandboxName } from "./names.ts";
import type { StoreMetadata } from "./sandbox_record.ts";
import { noSecurityContext } from "./security_context.ts";
import { fromRfc3339, toRfc3339 } from "./time.ts";

/** System calls to be traced; `<name>/<container>` is for one container of the pod. */
const TRACE_SYSCALL = "io.containers.trace-syscall";

export function containerMetadataJson(
  config: ContainerConfig,
  sandbox: Sandbox,
  imageId: string,
  createdAt: bigint,
): string {
  const pod = sandbox.parts.config.metadata;
  const metadata: StoreMetadata = {
    "pod-name": sandboxName(pod),
    "pod-id": sandbox.id,
    "image-name": config.image,
    "image-id": imageId,
    name: containerName(config.metadata, pod),
    "metadata-name": config.metadata.name,
    "created-at": Number(createdAt / 1_000_000_000n),
    attempt: config.metadata.attempt,
    privileged: config.security?.privileged ?? false,
  };
  return JSON.stringify(metadata);
}

/** What the annotations need to know of a container before its spec is built. */
export type AnnotatedParts = Omit<ContainerParts, "user" | "stopSignal">;

/** The annotations that say what a container is. */
export function containerAnnotations(
  parts: AnnotatedParts,
  mountPoint: string,
): Record<string, string> {
  const { config, sandbox } = parts;
  const pod = sandbox.parts;
  const json = JSON.stringify;
  const trace = pod.config.annotations[`${TRACE_SYSCALL}/${config.metadata.name}`];
  return {
    ...pod.config.annotations,
    ...config.labels,
    ...config.annotations,
    ...(trace === undefined ? {} : { [TRACE_SYSCALL]: trace }),
    [Key.manager]: MANAGER,
    [Key.annotations]: json(config.annotations),
    [Key.labels]: json(config.labels),
    [Key.metadata]: json(config.metadata),
    [Key.containerId]: parts.id,
    [Key.containerName]: containerName(config.metadata, pod.config.metadata),
    [Key.containerType]: "container",
    [Key.created]: toRfc3339(parts.createdAt),
    [Key.image]: config.image,
    [Key.imageName]: parts.imageName,
    [Key.imageRef]: parts.imageId,
    [Key.imageRepoDigests]: parts.imageRepoDigests.join(","),
    [Key.userRequestedImage]: config.userSpecifiedImage,
    [Key.kubeName]: pod.config.metadata.name,
    [Key.logPath]: parts.logPath,
    [Key.name]: containerName(config.metadata, pod.config.metadata),
    [Key.namespace]: pod.config.metadata.namespace,
    [Key.privileged]: String(parts.privileged),
    [Key.resolvPath]: pod.resolvPath,
    [Key.hostnamePath]: pod.hostnamePath,
    [Key.sandboxId]: sandbox.id,
    [Key.sandboxName]: sandboxName(pod.config.metadata),
    [Key.shmPath]: pod.shmPath,
    [Key.mountPoint]: mountPoint,
    [Key.runtimeHandler]: pod.runtimeHandler,
    [Key.tty]: String(config.tty),
    [Key.stdin]: String(config.stdin),
    [Key.stdinOnce]: String(config.stdinOnce),
    [Key.volumes]: volumesJson(config.mounts, parts.mountImages),
  };
}

/**
 * A container's parts from its spec.
 *
 * @throws {Error} When the spec is damaged.
 */
export function readContainer(spec: OciSpec, sandbox: Sandbox): ContainerParts {
  const notes = spec.annotations;
  const id = notes[Key.containerId];
  if (id === undefined || notes[Key.containerType] !== "container") {
    throw new Error("not the spec of a container");
  }
  const metadata = JSON.parse(notes[Key.metadata] ?? "{}") as Partial<ContainerMetadata>;
  if (!metadata.name) throw new Error("the container's name is missing");
  const { mounts, images } = readVolumes(notes[Key.volumes]);
  const { user } = spec.process;
  return {
    id,
    sandbox,
    config: {
      metadata: { name: metadata.name, attempt: metadata.attempt ?? 0 },
      image: notes[Key.image] ?? "",
      userSpecifiedImage: notes[Key.userRequestedImage] ?? notes[Key.imageName] ?? "",
      command: [],
      args: [],
      workingDir: spec.process.cwd,
      env: [],
      mounts,
      devices: [],
      cdiDevices: [],
      labels: readMap(notes[Key.labels]),
      annotations: readMap(notes[Key.annotations]),
      logPath: "",
      stdin: notes[Key.stdin] === "true",
      stdinOnce: notes[Key.stdinOnce] === "true",
      tty: notes[Key.tty] === "true",
      resources: undefined,
      security: { ...noSecurityContext(), privileged: notes[Key.privileged] === "true" },
      stopSignal: "",
    },
    createdAt: fromRfc3339(notes[Key.created] ?? ""),
    imageId: notes[Key.imageRef] ?? "",
    imageName: notes[Key.imageName] ?? "",
    imageRepoDigests: notes[Key.imageRepoDigests]?.split(",").filter(Boolean) ?? [],
    logPath: notes[Key.logPath] ?? "",
    mountImages: images,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids ?? [] },
    stopSignal: notes[Key.stopSignal] ?? "SIGTERM",
    privileged: notes[Key.privileged] === "true",
  };
}

/** `state.json`: what changes in a container's life, with CRI-O's member names. */
interface StateJson {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: string;
  readonly bundle: string;
  readonly created?: string;
  readonly started?: string;
  readonly finished?: string;
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  readonly error?: string;
  readonly initPid?: number;
  readonly initStartTime?: string;
  /** `null` where CRI-O has not known it. */
  readonly containerMonitorProcess?: { readonly pid: number; readonly startTime: string } | null;
}

export function stateJson(container: Container, bundle: string): string {
  const { init, monitor, exit, startedAt } = container;
  const state: StateJson = {
    ociVersion: container.spec.ociVersion,
    id: container.id,
    status: statusWord(container),
    bundle,
    created: toRfc3339(container.parts.createdAt),
    ...(startedAt === 0n ? {} : { started: toRfc3339(startedAt) }),
    ...(exit === undefined ? {} : {
      finished: toRfc3339(exit.finishedAt),
      exitCode: exit.code,
      oomKilled: exit.oomKilled,
      error: exit.error,
    }),
    ...(init === undefined ? {} : { initPid: init.pid, initStartTime: init.startTime }),
    ...(monitor === undefined ? {} : { containerMonitorProcess: monitor }),
  };
  return JSON.stringify(state);
}

/** The state in the words of the OCI runtime specification, which knows "paused". */
function statusWord({ state, paused }: Container): string {
  if (state === "exited") return "stopped";
  return paused ? "paused" : state;
}

/** `state.json` of an infra container. */
export function infraStateJson(
  id: string,
  init: ProcessRef,
  monitor: ProcessRef | undefined,
): string {
  const state: Partial<StateJson> = {
    id,
    status: "running",
    initPid: init.pid,
    initStartTime: init.startTime,
    ...(monitor === undefined ? {} : { containerMonitorProcess: monitor }),
  };
  return JSON.stringify(state);
}

/** What {@linkcode stateJson} has kept. */
export interface SavedState {
  readonly init: ProcessRef | undefined;
  readonly monitor: ProcessRef | undefined;
  readonly startedAt: bigint;
  readonly paused: boolean;
  readonly exit: Exit | undefined;
}

/** @throws {Error} When the text is damaged. */
export function readState(text: string): SavedState {
  const state = JSON.parse(text) as StateJson;
  const { initPid, initStartTime } = state;
  return {
    init: initPid === undefined || initStartTime === undefined
      ? undefined
      : { pid: initPid, startTime: initStartTime },
    monitor: state.containerMonitorProcess ?? undefined,
    startedAt: fromRfc3339(state.started ?? ""),
    paused: state.status === "paused",
    exit: state.status !== "stopped" ? undefined : {
      code: state.exitCode ?? 255,
      finishedAt: fromRfc3339(state.finished ?? ""),
      oomKilled: state.oomKilled ?? false,
      error: state.error ?? "",
    },
  };
}
