import type { Command } from "../command.ts";

/** `crid publish`, which containerd's shims call on whatever serves them. */
export const PUBLISH: Command = {
  name: "publish",
  aliases: [],
  hidden: true,
  summary: "Do nothing, for containerd shims",
  flags: ["topic", "namespace"].map((name) => ({
    name,
    aliases: [],
    kind: "text",
    doc: "Ignored.",
    hidden: true,
  })),
  run: () => 0,
};
