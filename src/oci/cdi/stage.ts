import { CridError, errorMessage } from "../../failure/mod.ts";
import { DirectoryFiles } from "../directory_files.ts";
import { addHook } from "../hooks/add_hook.ts";
import { deviceFrom } from "../spec/device_nodes.ts";
import type { SpecDraft } from "../spec/draft.ts";
import type { OciDevice, OciSpec } from "../types.ts";
import { deviceEdits, wantedDevices } from "./devices.ts";
import { type CdiEdits, type CdiMount, type CdiNode, parseCdiSpec } from "./spec_file.ts";

const files = new DirectoryFiles(
  "CDI registry has errors: specification",
  /\.(json|ya?ml)$/,
  parseCdiSpec,
);

/** Injects the devices that a container asks for by their CDI names. */
export async function cdiStage({ input, defaults, spec }: SpecDraft): Promise<void> {
  if (input.role === "infra") return;
  const names = wantedDevices(input.cdiDevices ?? [], input.ownAnnotations ?? {});
  if (names.length === 0) return;
  for (const edits of deviceEdits(names, await files.read(defaults.cdiSpecDirs))) {
    applyEdits(spec, edits);
  }
}

/** @throws {CridError} `failed_precondition` for a device that the host does not have. */
export function applyEdits(spec: OciSpec, edits: CdiEdits): void {
  for (const entry of edits.env) setVariable(spec.process.env, entry);
  for (const node of edits.deviceNodes) addDevice(spec, node);
  for (const mount of edits.mounts) addMount(spec, mount);
  for (const [stage, hook] of edits.hooks) addHook(spec, stage, hook);
  const { user } = spec.process;
  const gids = new Set([...user.additionalGids ?? [], ...edits.additionalGids]);
  user.additionalGids = Array.from(gids).filter((gid) => Number.isInteger(gid) && gid > 0);
  if (edits.intelRdt !== undefined) spec.linux["intelRdt"] = edits.intelRdt;
}

function setVariable(env: string[], entry: string): void {
  const name = entry.slice(0, entry.indexOf("=") + 1);
  const at = env.findIndex((each) => each.startsWith(name));
  if (at < 0) env.push(entry);
  else env[at] = entry;
}

function addDevice(spec: OciSpec, node: CdiNode): void {
  const device = nodeDevice(spec, node);
  spec.linux.devices = [
    ...(spec.linux.devices ?? []).filter(({ path }) => path !== device.path),
    device,
  ];
  if (device.type === "p") return;
  const { type, major, minor } = device;
  const resources = spec.linux.resources ??= {};
  (resources.devices ??= []).push({ allow: true, type, major, minor, access: node.permissions });
}

/** What the specification leaves open is as on the host, and the device belongs to the user. */
function nodeDevice(spec: OciSpec, node: CdiNode): OciDevice {
  const { uid, gid } = spec.process.user;
  const { type, major, minor, fileMode } = known(node) ?? hostDevice(node);
  return {
    path: node.path,
    type,
    major,
    minor,
    ...(fileMode === undefined ? {} : { fileMode }),
    ...owner("uid", node.uid, uid),
    ...owner("gid", node.gid, gid),
  };
}

type Node = Pick<OciDevice, "type" | "major" | "minor" | "fileMode">;

function known({ type, major, minor, fileMode }: CdiNode): Node | undefined {
  if (type === undefined || (type !== "p" && major === undefined)) return undefined;
  return {
    type: type as OciDevice["type"],
    major: major ?? 0,
    minor: minor ?? 0,
    ...(fileMode === undefined ? {} : { fileMode }),
  };
}

function hostDevice(node: CdiNode): Node {
  try {
    const device = deviceFrom(node.hostPath, node.path);
    return node.fileMode === undefined ? device : { ...device, fileMode: node.fileMode };
  } catch (error) {
    throw new CridError(
      "failed_precondition",
      `CDI device injection failed: ${node.hostPath}: ${errorMessage(error)}`,
      { cause: error },
    );
  }
}

function owner(key: "uid" | "gid", asked: number | undefined, user: number) {
  if (asked !== undefined) return { [key]: asked };
  return user > 0 ? { [key]: user } : {};
}

/** Replaces what is mounted there; deeper ones stay behind it. */
function addMount(spec: OciSpec, { hostPath, containerPath, type, options }: CdiMount): void {
  const mounts = spec.mounts.filter(({ destination }) => destination !== containerPath);
  const bind = type === "bind" && !options.some((option) => /^r?bind$/.test(option));
  mounts.push({
    destination: containerPath,
    source: hostPath,
    type,
    options: bind ? ["bind", ...options] : [...options],
  });
  spec.mounts = mounts.sort((a, b) => depth(a.destination) - depth(b.destination));
}

function depth(path: string): number {
  return path.split("/").filter((part) => part !== "").length;
}
