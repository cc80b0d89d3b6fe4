import { CridError } from "../failure/mod.ts";
import { readKernelFile, run } from "../linux/mod.ts";
import { runtimeMessage } from "./command.ts";
import type { RuntimeFeatures } from "./types.ts";

/** What a runtime is and can. */
export interface RuntimeProbe {
  /** Its version answer on one line. */
  readonly version: string;
  readonly features: RuntimeFeatures;
}

/** A node that has just booted is busy, and crid does not start without an answer. */
const PROBE_MS = 60_000;

/**
 * Asks a runtime for its version and features. One that has no `features` command is trusted with
 * what all runtimes of the last years do.
 *
 * @throws {CridError} when it does not even tell its version.
 */
export async function probeRuntime(path: string): Promise<RuntimeProbe> {
  const [version, features] = await Promise.all([
    run(path, ["--version"], { timeoutMs: PROBE_MS }),
    run(path, ["features"], { timeoutMs: PROBE_MS }),
  ]);
  if (version.code !== 0) {
    throw new CridError("failed_precondition", `${path} --version: ${runtimeMessage(version)}`);
  }
  const text = new TextDecoder().decode(version.stdout).trim();
  const answer = features.code === 0 ? new TextDecoder().decode(features.stdout) : "";
  return {
    version: text.split("\n").join(", "),
    features: parseFeatures(answer, text, readKernelFile("/proc/sys/kernel/osrelease") ?? ""),
  };
}

/**
 * Reads the answer of `features` (runtime-spec, features.md).
 *
 * @param answer `""` when the runtime has no such command.
 * @param version The answer of `--version`, with the line `spec: 1.0.0`.
 * @param kernel `uname -r`.
 */
export function parseFeatures(answer: string, version: string, kernel: string): RuntimeFeatures {
  // Recursive read-only needs mount_setattr(2), Linux 5.12.
  const canSetRecursively = kernelAtLeast(kernel, 5, 12);
  const logsApart = /^runc version /.test(version);
  const told = parse(answer);
  if (told === undefined) {
    return {
      ociVersion: /^spec: (\S+)$/m.exec(version)?.[1] ?? "1.0.0",
      recursiveReadonlyMounts: canSetRecursively,
      idmapMounts: false,
      userNamespaces: true,
      logsApart,
    };
  }
  return {
    ociVersion: told.ociVersionMax ?? "1.0.0",
    recursiveReadonlyMounts: canSetRecursively && (told.mountOptions ?? []).includes("rro"),
    idmapMounts: told.linux?.mountExtensions?.idmap?.enabled === true,
    userNamespaces: (told.linux?.namespaces ?? ["user"]).includes("user"),
    logsApart,
  };
}

interface Features {
  readonly ociVersionMin?: string;
  readonly ociVersionMax?: string;
  readonly mountOptions?: readonly string[];
  readonly linux?: {
    readonly namespaces?: readonly string[];
    readonly mountExtensions?: { readonly idmap?: { readonly enabled?: boolean } };
  };
}

function parse(answer: string): Features | undefined {
  try {
    const features = JSON.parse(answer) as Features;
    return features.ociVersionMax === undefined ? undefined : features;
  } catch {
    return undefined;
  }
}

function kernelAtLeast(release: string, major: number, minor: number): boolean {
  const [actualMajor = 0, actualMinor = 0] = release.split(/[.-]/).map(Number);
  return actualMajor > major || (actualMajor === major && actualMinor >= minor);
}
