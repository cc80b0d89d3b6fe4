import { join } from "@std/path";
import { wrapError } from "../../failure/mod.ts";
import { isOn, textOf } from "../arguments.ts";
import type { Call, Command } from "../command.ts";
import { hasSystemd, systemctl } from "../install/host.ts";
import { PROGRAM, UNIT } from "../install/node_files.ts";
import { print } from "../output.ts";
import { DRY_RUN, ROOT } from "./install.ts";
import { noOperands } from "./operands.ts";

/** `crid uninstall` */
export const UNINSTALL: Command = {
  name: "uninstall",
  aliases: [],
  summary: "Stop crid and remove its program and service from this node",
  description: "Containers go on running. Configuration, images and containers stay.",
  flags: [DRY_RUN, ROOT],
  run: uninstall,
};

/** Does not read the configuration: a broken one is no reason to stay. */
async function uninstall({ given }: Call): Promise<number> {
  noOperands(given);
  const root = textOf(given, "root") ?? "/";
  const mode = isOn(given, "dry-run") ? "pretend" : "remove";
  const tellsSystemd = mode === "remove" && hasSystemd(root);
  if (tellsSystemd && await isThere(UNIT)) await systemctl("disable", "--now", "crid.service");
  for (const path of [UNIT, PROGRAM]) {
    const target = join(root, path);
    const there = await isThere(target);
    if (there && mode === "remove") await remove(target);
    const done = mode === "pretend" ? "would remove" : "removed";
    print(`${(there ? done : "not there").padEnd(14)} ${target}\n`);
  }
  if (tellsSystemd) await systemctl("daemon-reload");
  print("\nContainers go on running; configuration, images and their files stay.\n");
  return 0;
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    throw wrapError(`remove ${path}`, error);
  }
}
