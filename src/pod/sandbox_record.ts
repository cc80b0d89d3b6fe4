/**
 * A sandbox on disk: the spec of its infra container with CRI-O's annotations, which is also written
 * when the infra container has no process, and the text that goes into the store's record.
 *
 * @module
 */
import { join } from "@std/path";
import type { OciSpec, SpecSelinux } from "../oci/mod.ts";
import type { ContainerLabels } from "../security/mod.ts";
import type { SandboxMetadata } from "./types.ts";
import type { PinnedNamespaces, SandboxParts } from "./sandbox.ts";
import {
  Key,
  MANAGER,
  namespaceOptionsJson,
  portMappingsJson,
  readMap,
  readNamespaceOptions,
  readPortMappings,
} from "./annotations.ts";
import { readSavedFile } from "./files.ts";
import { infraName, sandboxName } from "./names.ts";
import { annotateResources, readAnnotatedResources } from "./resources_annotation.ts";
import { noSecurityContext } from "./security_context.ts";
import { fromRfc3339, toRfc3339 } from "./time.ts";

/**
 * The spec of a sandbox that is being made, in its directory: with it, a restart finds all that was
 * made before a crash. It becomes `config.json` when the sandbox is whole.
 */
export const PLAN = "config.json.planned";

/** `metadata` of a container record in the store, as CRI-O writes it. */
export interface StoreMetadata {
  readonly "pod-name": string;
  readonly "pod-id": string;
  readonly "image-name": string;
  readonly "image-id": string;
  readonly name: string;
  readonly "metadata-name": string;
  readonly uid?: string;
  readonly namespace?: string;
  readonly "created-at": number;
  readonly attempt?: number;
  readonly pod?: boolean;
  readonly privileged?: boolean;
}

/** Whether a store record's metadata says that it is a pod's or one of its containers'. */
export function podRecord(metadata: string): boolean {
  return readStoreMetadata(metadata) !== undefined;
}

/** Reads a store record's metadata; `undefined` when it is not of a Kubernetes container. */
export function readStoreMetadata(text: string): StoreMetadata | undefined {
  try {
    const value = JSON.parse(text) as Partial<StoreMetadata>;
    return value["pod-id"] && value["pod-name"] ? value as StoreMetadata : undefined;
  } catch {
    return undefined;
  }
}

export function sandboxMetadataJson(
  id: string,
  pod: SandboxMetadata,
  createdAt: bigint,
): string {
  const metadata: StoreMetadata = {
    "pod-name": sandboxName(pod),
    "pod-id": id,
    "image-name": "",
    "image-id": "",
    name: infraName(pod),
    "metadata-name": pod.name,
    uid: pod.uid,
    namespace: pod.namespace,
    "created-at": Number(createdAt / 1_000_000_000n),
    attempt: pod.attempt,
    pod: true,
  };
  return JSON.stringify(metadata);
}

/** The annotations that say what a sandbox is. */
export function sandboxAnnotations(parts: SandboxParts): Record<string, string> {
  const { config } = parts;
  const json = JSON.stringify;
  const annotations: Record<string, string> = {
    ...config.annotations,
    [Key.manager]: MANAGER,
    [Key.annotations]: json(config.annotations),
    [Key.labels]: json(config.labels),
    [Key.metadata]: json(config.metadata),
    [Key.containerId]: parts.id,
    [Key.containerName]: infraName(config.metadata),
    [Key.containerType]: "sandbox",
    [Key.created]: toRfc3339(parts.createdAt),
    [Key.hostName]: parts.hostname,
    [Key.cgroupParent]: parts.cgroupParent,
    [Key.namespaceOptions]: namespaceOptionsJson(config.security.namespaces),
    [Key.kubeName]: config.metadata.name,
    [Key.portMappings]: portMappingsJson(config.portMappings),
    [Key.logPath]: parts.logDirectory,
    [Key.name]: sandboxName(config.metadata),
    [Key.namespace]: config.metadata.namespace,
    [Key.privileged]: String(config.security.privileged),
    [Key.resolvPath]: parts.resolvPath,
    [Key.hostnamePath]: parts.hostnamePath,
    [Key.sandboxId]: parts.id,
    [Key.sandboxName]: sandboxName(config.metadata),
    [Key.shmPath]: parts.shmPath,
    [Key.runtimeHandler]: parts.runtimeHandler,
    [Key.handler]: parts.handler,
    [Key.hostNetwork]: String(config.security.namespaces.network === "node"),
    // Said either way: a pod could claim to have no process that has to be ended.
    [Key.spoofed]: String(!parts.hasInfra),
    "spoofed.crio.io": String(!parts.hasInfra),
  };
  annotateResources(annotations, config);
  return annotations;
}

/** The spec that is written for a sandbox whose infra container has no process. */
export function spoofedSpec(
  parts: SandboxParts,
  selinux: SpecSelinux | undefined,
): Partial<Omit<OciSpec, "process">> & { process?: Partial<OciSpec["process"]> } {
  const { process = "", mount = "" } = selinux ?? {};
  return {
    ociVersion: "1.0.2",
    hostname: parts.hostname,
    annotations: sandboxAnnotations(parts),
    ...(process === "" ? {} : { process: { selinuxLabel: process } }),
    linux: {
      namespaces: namespaceEntries(parts.namespaces),
      ...(mount === "" ? {} : { mountLabel: mount }),
    },
  };
}

/**
 * The cgroup parent of a pod that nobody will restore; `undefined` for what is no pod, or too damaged
 * to say.
 *
 * @param directory The record's in the store.
 */
export function savedCgroupParent(directory: string): string | undefined {
  try {
    const text = readSavedFile(join(directory, "config.json"));
    return text === undefined ? undefined : readSandbox(text, undefined).cgroupParent;
  } catch {
    return undefined;
  }
}

function namespaceEntries(pinned: PinnedNamespaces): { type: string; path: string }[] {
  return Object.entries(pinned).map(([type, path]) => ({ type, path }));
}

/**
 * A sandbox from its spec.
 *
 * @param labels Of its record in the store: a spec does not have those that are not applied.
 * @throws {Error} When the spec is damaged or not a sandbox's.
 */
export function readSandbox(text: string, labels: ContainerLabels | undefined): SandboxParts {
  const spec = JSON.parse(text) as Partial<OciSpec>;
  const notes = spec.annotations ?? {};
  const id = notes[Key.sandboxId];
  if (id === undefined || notes[Key.containerType] !== "sandbox") {
    throw new Error("not the spec of a pod sandbox");
  }
  const metadata = JSON.parse(notes[Key.metadata] ?? "{}") as Partial<SandboxMetadata>;
  if (!metadata.name || !metadata.namespace || !metadata.uid) {
    throw new Error("the pod's name, namespace or uid is missing");
  }
  const entries = (spec.linux?.["namespaces"] ?? []) as { type: string; path?: string }[];
  const pinned: Record<string, string> = {};
  for (const { type, path } of entries) if (path !== undefined) pinned[type] = path;
  return {
    id,
    config: {
      metadata: {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        attempt: metadata.attempt ?? 0,
      },
      hostname: notes[Key.hostName] ?? "",
      logDirectory: notes[Key.logPath] ?? "",
      dns: undefined,
      portMappings: readPortMappings(notes[Key.portMappings]),
      labels: readMap(notes[Key.labels]),
      annotations: readMap(notes[Key.annotations]),
      cgroupParent: notes[Key.cgroupParent] ?? "",
      sysctls: {},
      security: {
        ...noSecurityContext(),
        privileged: notes[Key.privileged] === "true",
        namespaces: readNamespaceOptions(notes[Key.namespaceOptions]),
      },
      ...readAnnotatedResources(notes),
    },
    runtimeHandler: notes[Key.runtimeHandler] ?? "",
    handler: notes[Key.handler] ?? notes[Key.runtimeHandler] ?? "",
    createdAt: fromRfc3339(notes[Key.created] ?? ""),
    hostname: notes[Key.hostName] ?? "",
    logDirectory: notes[Key.logPath] ?? "",
    cgroupParent: notes[Key.cgroupParent] ?? "",
    namespaces: pinned as PinnedNamespaces,
    resolvPath: notes[Key.resolvPath] ?? "",
    hostnamePath: notes[Key.hostnamePath] ?? "",
    shmPath: notes[Key.shmPath] ?? "",
    hasInfra: notes[Key.spoofed] !== "true",
    labels,
  };
}
