import { relabel, relabelUnlessLabelled } from "../../security/mod.ts";
import type { MountRequest, SpecInput } from "../types.ts";
import type { SpecDraft } from "./draft.ts";
import { runsSystemd } from "./systemd.ts";

/** The labels of the process, and of all that the runtime mounts. */
export function selinuxStage(draft: SpecDraft): void {
  const { input: { selinux }, spec } = draft;
  if (selinux === undefined) return;
  const process = runsSystemd(draft) ? selinux.init : selinux.process;
  if (process !== "") spec.process.selinuxLabel = process;
  if (selinux.mount !== "") spec.linux.mountLabel = selinux.mount;
}

/** Labels a file or a directory that crid has made for the container. */
export async function labelOwn(
  { selinux }: Pick<SpecInput, "selinux">,
  path: string,
): Promise<void> {
  if (selinux !== undefined && selinux.mount !== "") await relabel(path, selinux.mount);
}

/** Labels the source of a mount that asks for it. */
export async function labelVolume(
  { selinux }: Pick<SpecInput, "selinux">,
  { selinuxRelabel }: Pick<MountRequest, "selinuxRelabel">,
  source: string,
): Promise<void> {
  if (!selinuxRelabel || selinux === undefined || selinux.mount === "") return;
  if (selinux.relabel === "always") await relabel(source, selinux.mount);
  if (selinux.relabel !== "unless labelled") return;
  await relabelUnlessLabelled(selinux.policy, source, selinux.mount);
}
