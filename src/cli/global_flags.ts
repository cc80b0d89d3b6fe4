import { type ConfigFlag, describe, FLAGS, printFlagDefault } from "../config/mod.ts";
import type { FlagSpec } from "./arguments.ts";

/** `--help`, which every command has. */
export const HELP: FlagSpec = {
  name: "help",
  aliases: ["h"],
  kind: "boolean",
  doc: "Show help.",
};

const VERSION: FlagSpec = {
  name: "version",
  aliases: ["v"],
  kind: "boolean",
  doc: "Print the version.",
};

/** The flags that stand before the command: one for each setting that has one. */
export const GLOBAL_FLAGS: readonly FlagSpec[] = [...FLAGS.map(toSpec), HELP, VERSION];

function toSpec({ name, aliases, setting }: ConfigFlag): FlagSpec {
  const usual = printFlagDefault(setting);
  return {
    name,
    aliases,
    kind: setting.type === "boolean" ? "boolean" : "text",
    doc: describe(setting),
    ...(usual !== "" && { usual }),
    ...(setting.env && { env: setting.env }),
    ...(setting.hidden && { hidden: true }),
  };
}
