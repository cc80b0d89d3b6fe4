import { CridError } from "../../failure/mod.ts";
import type { Call, Command } from "../command.ts";

/** `crid check` */
export const CHECK: Command = {
  name: "check",
  aliases: [],
  summary: "Check the image store, and repair it (not built in this release)",
  flags: [
    {
      name: "age",
      aliases: ["a"],
      kind: "text",
      doc: "How old a layer that nothing uses must be to count as damage.",
      usual: "24h",
    },
    { name: "force", aliases: ["f"], kind: "boolean", doc: "Remove damaged containers too." },
    { name: "quick", aliases: ["q"], kind: "boolean", doc: "Make only the quick checks." },
    { name: "repair", aliases: ["r"], kind: "boolean", doc: "Repair what is damaged." },
    {
      name: "wipe",
      aliases: ["w"],
      kind: "boolean",
      doc: "Remove the whole store when it cannot be repaired.",
    },
  ],
  run: notBuilt("podman system check (podman 5.2) works on the same store"),
};

/** `crid wipe` */
export const WIPE: Command = {
  name: "wipe",
  aliases: [],
  summary: "Remove containers and images after an upgrade or a crash (not built in this release)",
  flags: [{
    name: "force",
    aliases: ["f"],
    kind: "boolean",
    doc: "Remove them whatever the version files say.",
  }],
  run: notBuilt("crictl rmp --all --force and crictl rmi --all remove pods and images"),
};

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

/** The place of a command that is to come: it fails, and names another way. */
function notBuilt(instead: string) {
  return ({ words }: Call): never => {
    const command = words.join(" ");
    throw new CridError(
      "unimplemented",
      `crid ${command} is not built in this release; ${instead}`,
    );
  };
}
