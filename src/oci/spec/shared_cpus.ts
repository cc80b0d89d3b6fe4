import { CridError } from "../../failure/mod.ts";
import type { OciSpec, SpecInput } from "../types.ts";
import { CONTAINER_NAME } from "./annotations.ts";
import type { SpecDraft } from "./draft.ts";

/** `cpu-shared.crio.io/<container>` on a pod. */
const ANNOTATION = "cpu-shared.crio.io/";
const SHARES_PER_CPU = 1024;
/** What programs that pin their threads read, the names as CRI-O has them. */
const OWN = "OPENSHIFT_ISOLATED_CPUS=";
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
  if (!hasWholeCpus(input)) return;
  const { cpusetCpus = "" } = input.resources ?? {};
  const refuse = (why: string) => new CridError("invalid_argument", why);
  if (defaults.sharedCpuset === "") {
    throw refuse(
      `shared CPUs were requested for container ${JSON.stringify(name)} but none are defined: ` +
        "set shared_cpuset in crio.conf",
    );
  }
  if (cpusetCpus === "") throw refuse(`no cpus found for container ${JSON.stringify(name)}`);
  spec.process.env.push(OWN + cpusetCpus, SHARED + defaults.sharedCpuset);
  const resources = spec.linux.resources ??= {};
  resources.cpu = { ...resources.cpu, cpus: withSharedCpus(spec, cpusetCpus) };
}

/** The CPUs that a container shall have when its own become `cpus`. */
export function withSharedCpus({ process }: Pick<OciSpec, "process">, cpus: string): string {
  const shared = process.env.find((entry) => entry.startsWith(SHARED))?.slice(SHARED.length);
  return shared === undefined || cpus === "" ? cpus : `${cpus},${shared}`;
}

/** The kubelet gives such containers CPUs that nobody else has; it names classes by cgroups. */
function hasWholeCpus({ cgroupsPath, resources }: SpecInput): boolean {
  const shares = resources?.cpuShares ?? 0;
  return !/burstable|besteffort/.test(cgroupsPath) && shares > 0 && shares % SHARES_PER_CPU === 0;
}
