import { DirectoryFiles } from "../directory_files.ts";
import type { SpecDraft } from "../spec/draft.ts";
import { addHook } from "./add_hook.ts";
import { hookApplies, parseHookFile } from "./hook_file.ts";

const files = new DirectoryFiles("OCI hook", /\.json$/, parseHookFile);

/** Adds the hooks of `hooks_dir` that are for this container, in the order of their file names. */
export async function hooksStage({ input, defaults, spec }: SpecDraft): Promise<void> {
  if (input.role === "infra") return;
  // On equal names the last directory counts.
  const byName = new Map(
    (await files.read(defaults.hooksDirs)).map((file) => [file.name, file.content]),
  );
  const subject = {
    args: spec.process.args,
    annotations: spec.annotations,
    hasBindMounts: input.mounts.length > 0,
  };
  for (const [, { hook, when, stages }] of Array.from(byName).sort(([a], [b]) => a < b ? -1 : 1)) {
    if (!hookApplies(when, subject)) continue;
    for (const stage of stages) addHook(spec, stage, hook);
  }
}
