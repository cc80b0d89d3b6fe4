import { CridError } from "../../failure/mod.ts";
import type { OciSpec } from "../types.ts";
import { CONTAINER_NAME } from "./annotations.ts";
import type { SpecDraft } from "./draft.ts";
import { hasWholeCpus } from "./whole_cpus.ts";

/** `cpu-shared.crio.io/<container>` on a pod. */
const ANNOTATION = "cpu-shared.crio.io/";
/** What programs that pin their threads read, the names as CRI-O has them. */
export const OWN_CPUS = "OPENSHIFT_ISOLATED_CPUS=";
const SHARED = "OPENSHIFT_SHARED_CPUS=";

/**
 * Lets a container with CPUs of its own use those of `shared_cpuset`, too, if its pod asks for it.
 *
 * @throws {CridError} `invalid_argument` when there are none, of either.
 */
export function sharedCpusStage({ input, defaults, spec }: SpecDraft): void {
  const { annotations } = input;
  const name = annotations[CONTAINER_NAME] ?? "";
  if (input.role === "infra" || annotations[ANNOTATION + name] !== "enable") return;
  const { cpusetCpus = "", cpuShares = 0 } = input.resources ?? {};
  if (!hasWholeCpus(input.cgroupsPath, cpuShares)) return;
  const refuse = (why: string) => new CridError("invalid_argument", why);
  if (defaults.sharedCpuset === "") {
    throw refuse(
      `shared CPUs were requested for container ${JSON.stringify(name)} but none are defined: ` +
        "set shared_cpuset in crio.conf",
    );
  }
  if (cpusetCpus === "") throw refuse(`no cpus found for container ${JSON.stringify(name)}`);
  spec.process.env.push(OWN_CPUS + cpusetCpus, SHARED + defaults.sharedCpuset);
  const resources = spec.linux.resources ??= {};
  resources.cpu = { ...resources.cpu, cpus: withSharedCpus(spec, cpusetCpus) };
}

/** The CPUs that a container shall have when its own become `cpus`. */
export function withSharedCpus({ process }: Pick<OciSpec, "process">, cpus: string): string {
  const shared = process.env.find((entry) => entry.startsWith(SHARED))?.slice(SHARED.length);
  return shared === undefined || cpus === "" ? cpus : `${cpus},${shared}`;
}
