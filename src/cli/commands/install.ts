import { CridError } from "../../failure/mod.ts";
import { isOn, textOf } from "../arguments.ts";
import type { FlagSpec } from "../arguments.ts";
import type { Call, Command } from "../command.ts";
import { missingOnNode, nextStep } from "../install/advice.ts";
import { hasSystemd, hostPrograms, ownFile, systemctl } from "../install/host.ts";
import { type NodeFile, nodeFiles, PROGRAM, UNIT } from "../install/node_files.ts";
import { type Found, place, placement } from "../install/place.ts";
import { labelRuntime } from "../install/selinux.ts";
import { print } from "../output.ts";
import { noOperands } from "./operands.ts";

/** Installs and uninstalls below another directory. */
export const ROOT: FlagSpec = {
  name: "root",
  aliases: [],
  kind: "text",
  usual: "/",
  doc: "The directory that holds the node's files, for an image of a node.",
};
export const DRY_RUN: FlagSpec = {
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
  description:
    `Copies itself to ${PROGRAM} and writes ${UNIT}. Another program or service that is ` +
    "there is replaced only after asking; where nobody can be asked, nothing is changed and the " +
    "exit code is 1. Configuration files (crio.conf with the flags given before the command, a " +
    "pod network, crictl.yaml, policy.json, registries.conf) are written where there are none; " +
    "those that are there stay as they are. Says what the node still needs. Needs no network.",
  flags: [
    {
      name: "yes",
      aliases: ["y", "force", "f"],
      kind: "boolean",
      doc: "Replaces another program and service without asking.",
    },
    DRY_RUN,
    ROOT,
  ],
  run: install,
};

/** What is done about a file, as it is told. */
type Deed = "write" | "replace" | "ask" | "refuse" | "keep" | "nothing";

const PAST: Readonly<Record<Deed, string>> = {
  write: "written",
  replace: "replaced",
  ask: "differs",
  refuse: "differs",
  keep: "kept as it is",
  nothing: "unchanged",
};
const FUTURE: Readonly<Record<Deed, string>> = {
  ...PAST,
  write: "would write",
  replace: "would replace",
  ask: "would ask",
};

async function install({ given, load }: Call): Promise<number> {
  noOperands(given);
  const own = ownFile();
  const { config, defaults } = await load();
  const root = textOf(given, "root") ?? "/";
  const mode = isOn(given, "dry-run") ? "pretend" : "write";
  const host = await hostPrograms(root, config);
  const replace = isOn(given, "yes") ? () => "replace" as const : asking(mode);

  const all = [
    { path: PROGRAM, owner: "ours", content: { copyOf: own }, permissions: 0o755 } as const,
    ...nodeFiles(config, defaults, host)
      .map(({ path, owner, text }) => ({ path, owner, content: { text }, permissions: 0o644 })),
  ];
  // Everything is decided before anything is changed.
  const decided = [];
  for (const { path, owner, content, permissions } of all) {
    const file = await placement(root, path, content, permissions);
    decided.push({ file, deed: deedFor(owner, file.found, () => replace(file.target)) });
  }
  const refused = decided.filter(({ deed }) => deed === "refuse").map(({ file }) => file.target);
  if (refused.length > 0) {
    throw new CridError(
      "already_exists",
      `not installed: ${refused.join(" and ")} differ and were not replaced; --yes replaces them`,
    );
  }
  for (const { file, deed } of decided) {
    if (mode === "write" && (deed === "write" || deed === "replace")) await place(file);
    print(`${(mode === "pretend" ? FUTURE : PAST)[deed].padEnd(14)} ${file.target}\n`);
  }
  if (mode === "write" && hasSystemd(root)) await systemctl("daemon-reload");
  const label = mode === "write" && root === "/" ? await labelRuntime(PROGRAM) : undefined;
  if (label !== undefined) {
    print(`labelled       ${PROGRAM} as ${label}\n\n`);
    print("Have it labelled so when the file system is relabelled, too:\n");
    print(item(`semanage fcontext -a -t ${label} ${PROGRAM}`));
  }
  const missing = await missingOnNode(root, host);
  if (missing.length > 0) print(`\nThis node still needs\n${missing.map(item).join("")}`);
  if (mode === "write") print(`\n${await nextStep(root, PROGRAM)}\n`);
  return 0;
}

function item(text: string): string {
  return `  - ${text}\n`;
}

function deedFor(owner: NodeFile["owner"], found: Found, replace: () => Deed): Deed {
  if (found === "missing") return "write";
  if (found === "same") return "nothing";
  return owner === "ours" ? replace() : "keep";
}

/** Asks on the terminal; where nobody can be asked, the answer is no. */
function asking(mode: "write" | "pretend"): (target: string) => Deed {
  if (mode === "pretend") return () => "ask";
  if (!Deno.stdin.isTerminal()) return () => "refuse";
  return (target) => confirm(`${target} is there and differs. Replace it?`) ? "replace" : "refuse";
}
