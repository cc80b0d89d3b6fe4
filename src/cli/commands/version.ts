import { isOn } from "../arguments.ts";
import { buildInfo } from "../build_info.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";

/** `crid version` */
export const VERSION: Command = {
  name: "version",
  aliases: [],
  summary: "Print the version and how this crid was built",
  description:
    "The fields are those of CRI-O's version command. Those about Go have no meaning here and say " +
    "what crid has in their place.",
  flags: [
    { name: "json", aliases: ["j"], kind: "boolean", doc: "Print JSON." },
    { name: "verbose", aliases: ["v"], kind: "boolean", doc: "Print the dependencies too." },
  ],
  run({ given }) {
    const fields = versionFields(isOn(given, "verbose"));
    print(isOn(given, "json") ? JSON.stringify(fields, undefined, 2) + "\n" : versionText(fields));
    return 0;
  },
};

type VersionFields = Readonly<Record<string, string | boolean | readonly string[]>>;

/** Everything about this crid, under the names that CRI-O uses, and some of its own. */
function versionFields(verbose: boolean): VersionFields {
  const { version, gitCommit, gitCommitDate, gitTreeState, buildDate, builtBy } = buildInfo;
  const { deno, v8, typescript } = Deno.version;
  return {
    version,
    gitCommit,
    gitCommitDate,
    gitTreeState,
    buildDate,
    goVersion: "none (TypeScript on Deno)",
    compiler: `typescript ${typescript}`,
    platform: `linux/${Deno.build.arch === "x86_64" ? "amd64" : "arm64"}`,
    linkmode: "static",
    buildTags: ["overlay", "btrfs", "vfs", "seccomp", "apparmor", "selinux"],
    ldFlags: "none",
    seccompEnabled: true,
    appArmorEnabled: true,
    denoVersion: deno,
    v8Version: v8,
    builtBy,
    ...(verbose && { dependencies: DEPENDENCIES }),
  };
}

/** What is linked into the program, besides Deno. docs/dependencies.md tells why. */
const DEPENDENCIES: readonly string[] = [
  "@grpc/grpc-js",
  "@bufbuild/protobuf",
  "smol-toml",
  "ws",
  "openpgp",
  "@sigstore/core",
  "yaml",
];

/** The block that `crid version` and `crid --version` print. */
export function versionText(fields: VersionFields = versionFields(false)): string {
  const labels = Object.keys(fields).map((key) => LABELS[key] ?? capitalized(key));
  const width = Math.max(...labels.map((label) => label.length)) + 2;
  const lines = Object.values(fields).map((value, at) => {
    const list = Array.isArray(value);
    const text = list ? value.map((tag) => `\n  ${tag}`).join("") : String(value);
    return `${`${labels[at]}:`.padEnd(list ? 0 : width)}${text}\n`;
  });
  return lines.join("");
}

const LABELS: Readonly<Record<string, string>> = { ldFlags: "LDFlags" };

function capitalized(key: string): string {
  return key[0]!.toUpperCase() + key.slice(1);
}
