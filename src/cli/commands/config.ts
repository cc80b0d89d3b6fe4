import { printFile, validateConfig } from "../../config/mod.ts";
import { isOn } from "../arguments.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";

/** `crid config` */
export const CONFIG: Command = {
  name: "config",
  aliases: [],
  summary: "Print the configuration that results from files, variables and flags",
  description: "The output is a configuration file with an explanation of every key. Values that " +
    "are the defaults are commented out.",
  flags: [{
    name: "default",
    aliases: [],
    kind: "boolean",
    doc: "Print the defaults in place of what is configured, none of them commented out.",
  }],
  async run({ given, load }) {
    const { config, defaults } = await load();
    if (isOn(given, "default")) {
      print(printFile(defaults));
      return 0;
    }
    validateConfig(config);
    print(printFile(config, { defaults }));
    return 0;
  },
};
