import { type FlagSpec, UsageError } from "../arguments.ts";
import type { Call, Command } from "../command.ts";
import { helpText } from "../help.ts";
import { print } from "../output.ts";

/** What the commands do is loaded by those who call them. */
type Action = keyof typeof import("../image/mod.ts");

const SOURCES = "docker://name, oci:directory[:name], oci-archive:file[:name], " +
  "docker-archive:file[:name] or containers-storage:[overlay@/graph+/run]name";

const QUIET: FlagSpec = {
  name: "quiet",
  aliases: ["q"],
  kind: "boolean",
  doc: "Print ids and nothing else.",
};
const CREDENTIALS: FlagSpec = {
  name: "creds",
  aliases: [],
  kind: "text",
  doc: 'User name and password for the registry, "user:password"; without it the auth files count.',
};
const AUTH_FILE: FlagSpec = {
  name: "authfile",
  aliases: [],
  kind: "text",
  doc: "File with registry credentials, in place of the configured ones.",
};
const JSON_FLAG: FlagSpec = { name: "json", aliases: ["j"], kind: "boolean", doc: "Print JSON." };

/** `crid image` */
export const IMAGE: Command = {
  name: "image",
  aliases: ["images"],
  summary: "Work with the images on this node, whether crid runs or not",
  description: "The commands change the store of the configuration under the locks that crid, " +
    "podman, buildah and skopeo share. An image is named by its name, its id, or a prefix of its " +
    "id. Flags stand before the names.",
  flags: [],
  commands: [
    {
      name: "list",
      aliases: ["ls"],
      summary: "List the images",
      flags: [QUIET, JSON_FLAG, {
        name: "digests",
        aliases: [],
        kind: "boolean",
        doc: "Print the digests, too.",
      }],
      run: action("list"),
    },
    {
      name: "pull",
      aliases: [],
      summary: "Pull images from registries, archives and other stores",
      description: `A name without a transport is docker://. Others: ${SOURCES}.`,
      operands: "<image>...",
      flags: [QUIET, CREDENTIALS, AUTH_FILE, {
        name: "namespace",
        aliases: [],
        kind: "text",
        doc: "Pull as for this pod namespace: its policy and its credentials.",
      }],
      run: action("pull"),
    },
    {
      name: "push",
      aliases: [],
      summary: "Push an image to a registry, a directory or an archive",
      description: "Without a destination it goes where its name says. " +
        `Destinations: docker://name, oci:directory[:name], oci-archive:file[:name], ` +
        "docker-archive:file[:name].",
      operands: "<image> [destination]",
      flags: [QUIET, CREDENTIALS, AUTH_FILE],
      run: action("push"),
    },
    {
      name: "load",
      aliases: [],
      summary: "Load all images of an archive: oci-archive, docker-archive or OCI layout",
      description: "The kind of the archive is found from its content; it may be compressed with " +
        "gzip or zstd. Without a file it is read from standard input.",
      operands: "[file]",
      flags: [QUIET, {
        name: "input",
        aliases: ["i"],
        kind: "text",
        doc: "The archive, or the directory of an OCI layout.",
      }, {
        name: "tag",
        aliases: ["t"],
        kind: "text",
        doc: "Name for the image in place of the archive's; for archives of one image.",
      }],
      run: action("load"),
    },
    {
      name: "save",
      aliases: [],
      summary: "Save images to an archive",
      operands: "<image>...",
      flags: [QUIET, {
        name: "output",
        aliases: ["o"],
        kind: "text",
        doc: "The archive; standard output otherwise.",
      }, {
        name: "format",
        aliases: [],
        kind: "text",
        doc: "oci-archive, docker-archive or oci-dir.",
        usual: "oci-archive",
      }],
      run: action("save"),
    },
    {
      name: "inspect",
      aliases: [],
      summary: "Print all about images as JSON",
      description: `A name with a transport is looked at where it is, and not pulled: ${SOURCES}.`,
      operands: "<image>...",
      flags: [AUTH_FILE, CREDENTIALS],
      run: action("inspect"),
    },
    {
      name: "tag",
      aliases: [],
      summary: "Give an image more names",
      operands: "<image> <name>...",
      flags: [],
      run: action("tag"),
    },
    {
      name: "remove",
      aliases: ["rm"],
      summary: "Remove images: a name takes that name away, an id the image",
      operands: "<image>...",
      flags: [],
      run: action("remove"),
    },
    {
      name: "prune",
      aliases: [],
      summary: "Remove images that have no name and that no container uses",
      flags: [{
        name: "all",
        aliases: ["a"],
        kind: "boolean",
        doc: "Remove all images that no container uses, but for pinned ones.",
      }, {
        name: "dry-run",
        aliases: ["n"],
        kind: "boolean",
        doc: "Only say what would be removed.",
      }],
      run: action("prune"),
    },
    {
      name: "mount",
      aliases: [],
      summary: "Mount an image read-only and print where",
      operands: "<image>",
      flags: [],
      run: action("mount"),
    },
    {
      name: "unmount",
      aliases: ["umount"],
      summary: "Unmount images",
      operands: "<image>...",
      flags: [],
      run: action("unmount"),
    },
  ],
  run({ command, given }) {
    const [operand] = given.rest;
    if (operand !== undefined) throw new UsageError(`command "${operand}" not supported`);
    print(helpText(command, ["crid", "image"]));
    return 0;
  },
};

function action(name: Action): (call: Call) => Promise<number> {
  return async (call) => await (await import("../image/mod.ts"))[name](call);
}
