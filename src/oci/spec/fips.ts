import { writeFile } from "node:fs/promises";
import { join } from "@std/path";
import { readKernelFile, resolveInRoot } from "../../linux/mod.ts";
import type { SpecMount } from "../types.ts";
import { annotation, SpecAnnotation } from "./annotations.ts";
import type { SpecDraft } from "./draft.ts";
import { labelOwn } from "./selinux.ts";

const FIPS_ENABLED = "/proc/sys/crypto/fips_enabled";
/** What crypto libraries of an image use when the host is in FIPS mode. */
const POLICY = "/usr/share/crypto-policies/back-ends/FIPS";
const POLICY_IN_USE = "/etc/crypto-policies/back-ends";

/** Passes the host's FIPS mode on to containers, or hides it from a pod that wants none. */
export async function fipsStage(draft: SpecDraft): Promise<void> {
  if (draft.input.role === "infra") return;
  const enabled = readKernelFile(FIPS_ENABLED)?.trim();
  if (enabled === undefined) return; // a kernel without FIPS has nothing to hide either
  const mode = enabled === "1" ? "on" : "off";
  for (const mount of await fipsMounts(draft, mode)) {
    draft.spec.mounts.push({ ...mount, options: [...mount.options] });
  }
}

/** The mounts for a host in that mode. */
export async function fipsMounts(
  { input, spec }: Pick<SpecDraft, "input" | "spec">,
  mode: "on" | "off",
): Promise<SpecMount[]> {
  const file = async (name: string, text: string) => {
    const path = join(input.runDir, name);
    await writeFile(path, text, { mode: 0o644 });
    await labelOwn(input, path);
    return path;
  };
  const disabled = annotation(spec.annotations, SpecAnnotation.disableFips) === "true" &&
    input.podLabels?.["FIPS_DISABLE"] === "true";
  if (disabled) {
    const source = await file("fips_enabled", "0\n");
    const options = ["bind", "ro", "noexec", "nosuid", "nodev"];
    return [{ destination: FIPS_ENABLED, source, type: "bind", options }];
  }
  if (mode === "off") return [];
  const mounts: SpecMount[] = [{
    destination: "/run/secrets/system-fips",
    source: await file("system-fips", ""),
    type: "bind",
    options: ["bind", "rprivate"],
  }];
  const policy = resolveInRoot(input.rootfs, POLICY);
  if (policy !== undefined && resolveInRoot(input.rootfs, POLICY_IN_USE) !== undefined) {
    mounts.push({
      destination: POLICY_IN_USE,
      source: policy,
      type: "bind",
      options: ["bind", "rprivate"],
    });
  }
  return mounts;
}
