import { CridError, isCode } from "../../failure/mod.ts";
import type { ContainerStatus, Pods, SandboxStatus } from "../../pod/mod.ts";

/** What `GET /containers/{id}` answers; cAdvisor reads it. Times are nanoseconds of the epoch. */
export interface Inspection {
  readonly name: string;
  readonly pid: number;
  readonly image: string;
  readonly image_ref: string;
  readonly created_time: bigint;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly crio_annotations: Readonly<Record<string, string>>;
  readonly log_path: string;
  readonly root: string;
  readonly sandbox: string;
  readonly ip_addresses: readonly string[];
  readonly host_network: boolean;
}

/** The annotations of a spec that tell what the other answers do not. */
const NAME = "io.kubernetes.cri-o.Name";
const MOUNT_POINT = "io.kubernetes.cri-o.MountPoint";
const LOG_PATH = "io.kubernetes.cri-o.LogPath";

/**
 * The container, or sandbox, with just this id.
 *
 * @throws {CridError} `not_found` in CRI-O's words.
 */
export async function inspect(pods: Pods, id: string): Promise<Inspection> {
  const container = await known(() => pods.containerStatus(id));
  if (container?.id === id) return await inspectContainer(pods, container);
  const sandbox = await known(() => pods.sandboxStatus(id));
  if (sandbox?.id === id) return await inspectSandbox(pods, sandbox);
  throw new CridError("not_found", `can't find the container with id ${id}`);
}

async function inspectContainer(pods: Pods, status: ContainerStatus): Promise<Inspection> {
  const sandbox = await known(() => pods.sandboxStatus(status.sandboxId));
  if (sandbox === undefined) {
    throw new CridError("not_found", `can't find the sandbox for container id ${status.id}`);
  }
  return {
    ...fromSpec(status.info),
    image: status.imageName || status.image,
    image_ref: status.imageRef,
    created_time: status.createdAt,
    labels: status.labels,
    annotations: status.annotations,
    log_path: status.logPath,
    ...ofSandbox(sandbox),
  };
}

async function inspectSandbox(pods: Pods, sandbox: SandboxStatus): Promise<Inspection> {
  const own = fromSpec(sandbox.info);
  return {
    ...own,
    // A pod without an infra process is found by the process of any of its containers.
    pid: own.pid !== 0 ? own.pid : await somePid(pods, sandbox.id),
    image: "",
    image_ref: "",
    created_time: sandbox.createdAt,
    labels: sandbox.labels,
    annotations: sandbox.annotations,
    log_path: own.crio_annotations[LOG_PATH] ?? "",
    ...ofSandbox(sandbox),
  };
}

async function somePid(pods: Pods, sandboxId: string): Promise<number> {
  const [running] = pods.containers({ sandboxId, state: "running" });
  const status = running && await known(() => pods.containerStatus(running.id));
  return status === undefined ? 0 : fromSpec(status.info).pid;
}

function ofSandbox(sandbox: SandboxStatus) {
  return {
    sandbox: sandbox.id,
    ip_addresses: sandbox.ips,
    host_network: sandbox.namespaces.network === "node",
  };
}

/** What the verbose info of a status has in it. */
interface VerboseInfo {
  readonly pid?: number;
  readonly runtimeSpec?: {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly root?: { readonly path?: string };
  };
}

function fromSpec(info: Readonly<Record<string, string>>) {
  const { pid = 0, runtimeSpec } = JSON.parse(info["info"] ?? "{}") as VerboseInfo;
  const annotations = runtimeSpec?.annotations ?? {};
  return {
    name: annotations[NAME] ?? "",
    pid,
    crio_annotations: annotations,
    root: annotations[MOUNT_POINT] ?? runtimeSpec?.root?.path ?? "",
  };
}

async function known<Status>(ask: () => Promise<Status>): Promise<Status | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isCode(error, "not_found")) return undefined;
    throw error;
  }
}
