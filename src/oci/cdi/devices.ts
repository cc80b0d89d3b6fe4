import { CridError } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import type { DirectoryFile } from "../directory_files.ts";
import { type CdiEdits, type CdiSpec, parseDeviceName } from "./spec_file.ts";

/** Device plugins ask for devices by these annotations; what follows is the plugin's own name. */
const ANNOTATION_PREFIX = "cdi.k8s.io/";

/**
 * The qualified names of all devices of a container: those of the request, then those of its
 * annotations that are not among them.
 *
 * @param annotations The container's own: who writes a pod's may ask for no devices.
 */
export function wantedDevices(
  asked: readonly string[],
  annotations: Readonly<Record<string, string>>,
): readonly string[] {
  const wanted = new Set(asked);
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(ANNOTATION_PREFIX)) continue;
    for (const name of value.split(",").map((part) => part.trim()).filter((part) => part !== "")) {
      if (wanted.has(name)) log.info(`Skipping duplicate annotated CDI device ${name}`);
      wanted.add(name);
    }
  }
  return Array.from(wanted);
}

/**
 * The edits of devices, in order. Those of a whole specification come once, before its first device.
 *
 * @param files In the order of their directories: on a device of the same name the later directory
 * counts; two in one directory exclude each other.
 * @throws {CridError} `failed_precondition` naming the devices that no file has.
 */
export function deviceEdits(
  names: readonly string[],
  files: readonly DirectoryFile<CdiSpec>[],
): readonly CdiEdits[] {
  const edits: CdiEdits[] = [];
  const specs = new Set<CdiSpec>();
  const unresolved: string[] = [];
  for (const qualified of names) {
    const spec = specOf(qualified, files);
    const device = spec?.devices.get(parseDeviceName(qualified)!.name);
    if (spec === undefined || device === undefined) {
      unresolved.push(qualified);
      continue;
    }
    if (!specs.has(spec)) edits.push(spec.edits);
    specs.add(spec);
    edits.push(device);
  }
  if (unresolved.length === 0) return edits;
  throw new CridError(
    "failed_precondition",
    `CDI device injection failed: unresolvable CDI devices ${unresolved.join(", ")}`,
  );
}

function specOf(
  qualified: string,
  files: readonly DirectoryFile<CdiSpec>[],
): CdiSpec | undefined {
  const device = parseDeviceName(qualified);
  if (device === undefined) return undefined;
  const candidates = files.filter(({ content }) =>
    content.kind === device.kind && content.devices.has(device.name)
  );
  const last = candidates.at(-1);
  const conflict = candidates.find((file) => file !== last && file.directory === last?.directory);
  if (conflict === undefined) return last?.content;
  log.warn(`CDI registry has errors: ${qualified} is in ${conflict.path} and ${last!.path}`);
  return undefined;
}
