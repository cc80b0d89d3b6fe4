import {
  isKnownLabel,
  loadSelinuxPolicy,
  relabel,
  type SelinuxPlaces,
} from "../../security/mod.ts";

/** What policies call the programs of container runtimes: Fedora's, then the reference policy. */
const TYPES = ["container_runtime_exec_t", "container_engine_exec_t"] as const;

/**
 * Gives a program the label by which the host's policy knows container runtimes: what it starts runs
 * in the right domain then.
 *
 * @returns The type, `undefined` where SELinux is off, or its policy knows of no runtimes.
 */
export async function labelRuntime(
  program: string,
  places: SelinuxPlaces = {},
): Promise<string | undefined> {
  const policy = loadSelinuxPolicy(places);
  if (policy === undefined) return undefined;
  const labelOf = (type: string) => `system_u:object_r:${type}:s0`;
  const type = TYPES.find((each) => isKnownLabel(policy, labelOf(each)));
  if (type !== undefined) await relabel(program, labelOf(type));
  return type;
}
