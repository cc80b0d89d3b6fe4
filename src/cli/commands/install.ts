import { CridError, wrapError } from "../../failure/mod.ts";
import { isOn, textOf, UsageError } from "../arguments.ts";
import type { Call, Command } from "../command.ts";
import { print } from "../output.ts";
import type { FlagSpec, ParsedArguments } from "../arguments.ts";
import { hasSystemd, hostPrograms, ownFile, systemctl } from "../install/host.ts";
import { nodeFiles, PROGRAM, UNIT } from "../install/node_files.ts";
import { place, type Placed, type PlaceOptions } from "../install/place.ts";

const ROOT: FlagSpec = {
  name: "root",
  aliases: [],
  kind: "text",
  usual: "/",
  doc: "Installs below this directory, for an image of a node.",
};
const DRY_RUN: FlagSpec = {
  name: "dry-run",
  aliases: [],
  kind: "boolean",
  doc: "Only says what would be done.",
};

/** `crid install` */
export const INSTALL: Command = {
  name: "install",
  aliases: [],
  summary: "Install crid on this node, with its service and the configuration it needs",
  description: `Copies itself to ${PROGRAM} and writes ${UNIT}. Configuration files ` +
    "(crio.conf with the flags given before the command, a pod network, crictl.yaml, policy.json, " +
    "registries.conf) are written where there are none; those that are there stay as they are. " +
    "Needs no network.",
  flags: [
    {
      name: "force",
      aliases: ["f"],
      kind: "boolean",
      doc: "Replaces an older program and service without asking.",
    },
    DRY_RUN,
    ROOT,
  ],
  run: install,
};

/** `crid uninstall` */
export const UNINSTALL: Command = {
  name: "uninstall",
  aliases: [],
  summary: "Stop crid and remove its program and service from this node",
  description: "Containers go on running. Configuration, images and containers stay.",
  flags: [DRY_RUN, ROOT],
  run: uninstall,
};

async function install({ given, load }: Call): Promise<number> {
  noOperands(given);
  const own = ownFile();
  const { config, defaults } = await load();
  const root = textOf(given, "root") ?? "/";
  const pretend = isOn(given, "dry-run");
  const options: PlaceOptions = {
    root,
    mode: pretend ? "pretend" : "write",
    replace: isOn(given, "force") ? () => true : askTo(pretend),
  };
  const keep: PlaceOptions = { ...options, replace: () => false };
  const files = nodeFiles(config, defaults, await hostPrograms(root, config));
  const keptOurs: string[] = [];
  const tell = (path: string, placed: Placed, owner: "ours" | "node") => {
    if (placed === "kept" && owner === "ours") keptOurs.push(path);
    print(`${(pretend ? FUTURE : PAST)[placed].padEnd(14)} ${path}\n`);
  };
  tell(PROGRAM, await place(PROGRAM, { copyOf: own }, 0o755, options), "ours");
  for (const { path, text, owner } of files) {
    const how = owner === "ours" ? options : keep;
    tell(path, await place(path, { text }, 0o644, how), owner);
  }
  if (keptOurs.length > 0) {
    throw new CridError(
      "already_exists",
      `not installed: ${
        keptOurs.join(" and ")
      } differ and were not replaced; --force replaces them`,
    );
  }
  if (pretend) return 0;
  if (hasSystemd(root)) await systemctl("daemon-reload");
  print("\nStart it, now and at every boot: systemctl enable --now crid\n");
  return 0;
}

const PAST: Readonly<Record<Placed, string>> = {
  written: "written",
  replaced: "replaced",
  unchanged: "unchanged",
  kept: "kept as it is",
};
const FUTURE: Readonly<Record<Placed, string>> = {
  ...PAST,
  written: "would write",
  replaced: "would replace",
};

/** Asks on the terminal; where nobody can be asked, the answer is no. */
function askTo(pretend: boolean): (path: string) => boolean {
  if (pretend) return () => true;
  if (!Deno.stdin.isTerminal()) return () => false;
  return (path) => confirm(`${path} is there and differs. Replace it?`);
}

async function uninstall({ given }: Call): Promise<number> {
  noOperands(given);
  const root = textOf(given, "root") ?? "/";
  const pretend = isOn(given, "dry-run");
  if (!pretend && hasSystemd(root) && await isThere(UNIT)) {
    await systemctl("disable", "--now", "crid.service");
  }
  for (const path of [UNIT, PROGRAM]) {
    const target = root === "/" ? path : `${root.replace(/\/$/, "")}${path}`;
    const there = await isThere(target);
    if (there && !pretend) await remove(target);
    const done = pretend ? "would remove" : "removed";
    print(`${(there ? done : "not there").padEnd(14)} ${target}\n`);
  }
  if (!pretend && hasSystemd(root)) await systemctl("daemon-reload");
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

function noOperands({ rest }: ParsedArguments): void {
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
}
