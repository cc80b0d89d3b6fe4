import { setTimeout as pause } from "node:timers/promises";
import { CridError } from "../failure/mod.ts";
import { lastMessage, runtime, runtimeMessage, runtimeOk } from "./command.ts";
import { ociResources, swapControl } from "./spec/resources.ts";
import type {
  CgroupSettings,
  LinuxResources,
  OciResources,
  RuntimeHandler,
  RuntimeState,
} from "./types.ts";

const STATUSES: ReadonlySet<string> = new Set([
  "creating",
  "created",
  "running",
  "paused",
  "stopped",
]);

/**
 * Starts the process of a created container.
 *
 * @throws {CridError} with the runtime's words: the command is not there, not executable …
 */
export async function startContainer(handler: RuntimeHandler, id: string): Promise<void> {
  await runtimeOk(handler, `start container ${id}`, ["start", id]);
}

/** What the runtime says of a container; `undefined` when it does not know it. */
export async function containerState(
  handler: RuntimeHandler,
  id: string,
  signal?: AbortSignal,
): Promise<RuntimeState | undefined> {
  const result = await runtime(handler, ["state", id], { signal });
  if (result.code !== 0) {
    if (isUnknownContainer(result)) return undefined;
    throw new CridError("unknown", `state of container ${id}: ${runtimeMessage(result)}`);
  }
  const state = parseJson(result.stdout, `state of container ${id}`) as Partial<RuntimeState>;
  if (!STATUSES.has(state.status ?? "")) {
    throw new CridError("internal", `state of container ${id}: "${state.status}" is no status`);
  }
  return { status: state.status!, pid: Number(state.pid) || 0 };
}

/** Kills what is left of a container and makes the runtime forget it; unknown is no error. */
export async function deleteContainer(handler: RuntimeHandler, id: string): Promise<void> {
  if (handler.version.startsWith("runc") && await deleteStopped(handler, id)) return;
  const result = await runtime(handler, ["delete", "--force", id]);
  if (result.code === 0 || isUnknownContainer(result)) return;
  throw new CridError("unknown", `delete container ${id}: ${runtimeMessage(result)}`);
}

/** Looks whether a killed process has gone; a process of an idle host takes a few milliseconds. */
const KILLED_WAITS_MS = [2, 5, 10, 20, 40];

/**
 * The quick way for runc, whose `delete --force` sleeps 100 ms after it has killed something.
 *
 * @returns Whether it is deleted.
 */
async function deleteStopped(handler: RuntimeHandler, id: string): Promise<boolean> {
  for (const wait of [0, ...KILLED_WAITS_MS]) {
    if (wait > 0) await pause(wait);
    const result = await runtime(handler, ["delete", id]);
    if (result.code === 0 || isUnknownContainer(result)) return true;
    if (wait === 0) await runtime(handler, ["kill", id, "KILL"]);
  }
  return false;
}

/**
 * Changes a container's cgroup settings. As in CRI-O, swap follows memory, and huge pages and the
 * OOM score stay as they are.
 *
 * @returns What the runtime was told.
 */
export async function updateContainer(
  handler: RuntimeHandler,
  id: string,
  resources: LinuxResources,
  cgroup: CgroupSettings,
): Promise<OciResources> {
  if (resources.memoryLimit < 0) {
    throw new CridError("invalid_argument", `update container ${id}: negative memory limit`);
  }
  const swap = resources.memoryLimit > 0 ? { memorySwapLimit: resources.memoryLimit } : {};
  const wanted = { ...resources, ...swap, hugepageLimits: [] };
  const asked = ociResources(wanted, swapControl(cgroup));
  await runtimeOk(handler, `update container ${id}`, ["update", "--resources", "-", id], {
    stdin: JSON.stringify(asked),
  });
  return asked;
}

/** Stops all processes of a container until {@linkcode resumeContainer}. */
export async function pauseContainer(handler: RuntimeHandler, id: string): Promise<void> {
  await runtimeOk(handler, `pause container ${id}`, ["pause", id]);
}

/** Lets a paused container go on. */
export async function resumeContainer(handler: RuntimeHandler, id: string): Promise<void> {
  await runtimeOk(handler, `resume container ${id}`, ["resume", id]);
}

/** Ids of all containers that the runtime keeps below the handler's root. */
export async function listContainers(handler: RuntimeHandler): Promise<readonly string[]> {
  const doing = `list the containers of runtime ${handler.name}`;
  const result = await runtimeOk(handler, doing, ["list", "--format", "json"]);
  const list = parseJson(result.stdout, doing);
  return Array.isArray(list) ? list.map((each: { id?: unknown }) => String(each.id)) : [];
}

type Failure = { readonly code: number; readonly stderr: Uint8Array };

/** runc: `container does not exist`; crun: `error opening file …/status: No such file or directory`. */
function isUnknownContainer(failure: Failure): boolean {
  return /does not exist|\/status`?'?: No such file/.test(text(failure));
}

function text(failure: Failure): string {
  return lastMessage(new TextDecoder().decode(failure.stderr));
}

function parseJson(bytes: Uint8Array, doing: string): unknown {
  const text = new TextDecoder().decode(bytes);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CridError("internal", `${doing}: the runtime's answer is no JSON`, { cause });
  }
}
