import { readFileSync } from "node:fs";
import { join } from "@std/path";
import { CridError, errorMessage, isCode } from "../../failure/mod.ts";
import { askKernelFile, isErrno, KernelFileError, kernelFileExists } from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";

/** Where the kernel and the host's policy tell of SELinux; tests give their own. */
export interface SelinuxPlaces {
  /** Default `/sys/fs/selinux`. */
  readonly kernel?: string;
  /** Default `/etc/selinux`: `config`, and a directory for each policy. */
  readonly policies?: string;
  /** Default `/usr/share/containers/selinux/contexts`. It counts before the policy's own. */
  readonly contexts?: string;
}

const KERNEL = "/sys/fs/selinux";
const POLICIES = "/etc/selinux";
const CONTEXTS = "/usr/share/containers/selinux/contexts";
const EINVAL = 22;

/** The labels that the host's policy has for containers, and the kernel that knows which are valid. */
export interface SelinuxPolicy {
  /** The mounted selinuxfs. */
  readonly kernel: string;
  /** Of a container's process. */
  readonly process: string;
  /** Of a container's files. */
  readonly file: string;
  /** Of files that all containers may read. */
  readonly readOnlyFile: string;
  /** Of a container that runs systemd. */
  readonly init: string;
}

/** Whether the kernel runs SELinux, enforcing or permissive: its file system is there only then. */
export function selinuxEnabled(places: SelinuxPlaces = {}): boolean {
  return kernelFileExists(join(places.kernel ?? KERNEL, "enforce"));
}

/**
 * The labels for containers.
 *
 * @returns `undefined` where the kernel does not run SELinux, or its policy has none for containers.
 */
export function loadSelinuxPolicy(places: SelinuxPlaces = {}): SelinuxPolicy | undefined {
  if (!selinuxEnabled(places)) return undefined;
  const files = contextFiles(places);
  const text = files.map(readIfAny).find((each) => each !== undefined);
  const contexts = parseContexts(text ?? "");
  const [process, file] = [contexts.get("process"), contexts.get("file")];
  if (process === undefined || file === undefined) {
    log.warn(
      `SELinux is on, and containers get no labels: ${
        files.join(" and ")
      } say nothing of process ` +
        "and file; install the policy for containers (container-selinux)",
    );
    return undefined;
  }
  const policy = {
    kernel: places.kernel ?? KERNEL,
    process,
    file,
    readOnlyFile: contexts.get("ro_file") ?? file,
    init: contexts.get("init_process") ?? process,
  };
  const unknown = [process, file].filter((label) => !isKnownLabel(policy, label));
  // Pods are refused rather than run without the confinement that the host is meant to give them.
  for (const label of unknown) {
    log.warn(
      `No pod can be made: SELinux is on, and its policy does not have ${label}; install the ` +
        "policy for containers (container-selinux), or set selinux = false",
    );
  }
  return policy;
}

function contextFiles(places: SelinuxPlaces): readonly string[] {
  const policies = places.policies ?? POLICIES;
  const name = parseContexts(readIfAny(join(policies, "config")) ?? "").get("SELINUXTYPE");
  return [
    places.contexts ?? CONTEXTS,
    ...(name === undefined ? [] : [join(policies, name, "contexts", "lxc_contexts")]),
  ];
}

/** Lines of `name = "value"`; `#` and `;` begin comments. */
export function parseContexts(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) values.set(name, value.replace(/^"|"$/g, ""));
  }
  return values;
}

/**
 * A label as the kernel writes it: categories in order, ranges made short.
 *
 * @throws {CridError} `invalid_argument` when the loaded policy has no such label.
 */
export function canonicalLabel(policy: SelinuxPolicy, label: string): string {
  try {
    return askKernelFile(join(policy.kernel, "context"), label);
  } catch (error) {
    if (!(error instanceof KernelFileError) || error.errno !== EINVAL) throw error;
    throw new CridError(
      "invalid_argument",
      `SELinux label ${label}: the policy of this host has no such user, role, type or level`,
      { cause: error },
    );
  }
}

/** Whether the loaded policy has a label. */
export function isKnownLabel(policy: SelinuxPolicy, label: string): boolean {
  try {
    canonicalLabel(policy, label);
    return true;
  } catch (error) {
    if (isCode(error, "invalid_argument")) return false;
    throw error;
  }
}

function readIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw new CridError("internal", `read ${path}: ${errorMessage(error)}`, { cause: error });
  }
}
