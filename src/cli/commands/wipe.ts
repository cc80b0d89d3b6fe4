import { isOn } from "../arguments.ts";
import { buildInfo } from "../build_info.ts";
import type { Command } from "../command.ts";

/** `crid wipe` */
export const WIPE: Command = {
  name: "wipe",
  aliases: [],
  summary: "Remove containers and images after an upgrade, a reboot or a crash",
  description:
    "To be run before the daemon. Removes crid's containers when version_file is missing " +
    "or names another minor version, and the images that they used when version_file_persist does. " +
    "After an unclean shutdown the whole store is removed. With internal_wipe, the default, the " +
    "daemon removes pods by itself and this leaves them to it.",
  flags: [{
    name: "force",
    aliases: ["f"],
    kind: "boolean",
    doc: "Remove them whatever the version files say.",
  }],
  async run({ given, load }) {
    const { config } = await load();
    const { wipeOffline } = await import("../../isolates/mod.ts");
    await wipeOffline(config, buildInfo.version, isOn(given, "force") ? "force" : "when due");
    return 0;
  },
};
