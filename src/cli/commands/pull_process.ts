import type { Command } from "../command.ts";

/** `crid pull-process`, which crid starts where `separate_pull_cgroup` wants pulls to be. */
export const PULL_PROCESS: Command = {
  name: "pull-process",
  aliases: [],
  hidden: true,
  summary: "Pull images for a running crid",
  flags: [],
  async run() {
    const { pullProcess } = await import("../../isolates/mod.ts");
    await pullProcess();
    return 0;
  },
};
