/**
 * Images for single questions: formats, layer contents, configs. All below `crid/`.
 *
 * @module
 */
import { busyboxLayer, userImage } from "./catalog.ts";
import type { CatalogEntry } from "./catalog.ts";
import { dir, file, hardlink, program, symlink } from "./entries.ts";
import { artifact, type BuiltImage, type Format, GOARCH, image, index } from "./image.ts";
import { bytesBlob, type Compression, layer } from "./layer.ts";

/** How many layers `crid/many-layers` has above busybox. */
export const MANY_LAYERS = 60;

export const SPECIAL_IMAGES: readonly CatalogEntry[] = [
  special("hello", helloImage),
  special("oci", () => formatImage("oci", "gzip")),
  special("zstd", () => formatImage("oci", "zstd")),
  special("plain", () => formatImage("oci", "none")),
  special("docker-zstd", () => formatImage("docker", "zstd")),
  special("multi-arch", () => multiArchitectureImage("oci")),
  special("manifest-list", () => multiArchitectureImage("docker")),
  special("other-arch", otherArchitectureOnly),
  special("whiteouts", whiteoutsImage),
  special("many-layers", manyLayersImage),
  special("file-kinds", fileKindsImage),
  special("implicit-parents", implicitParentsImage),
  special("unknown-user", () => userImage("no-such-user")),
  special("configured", configuredImage),
  special("artifact", artifactImage),
];

function special(name: string, build: () => Promise<BuiltImage>): CatalogEntry {
  return { repository: `crid/${name}`, tags: ["latest"], build };
}

/** What the demo runs: greets on its log and on port 80, and says goodbye when it is stopped. */
async function helloImage(): Promise<BuiltImage> {
  const script = await layer([
    program(
      "bin/hello",
      `#!/bin/sh
trap 'echo "goodbye"; exit 0' TERM
echo "hello from $(hostname), process $$"
httpd -f -p 80 -h /var/www &
wait
`,
    ),
    file("var/www/index.html", "hello over the network\n"),
  ]);
  return image([await busyboxLayer(), script], {
    Cmd: ["hello"],
    ExposedPorts: { "80/tcp": {} },
  });
}

async function formatImage(format: Format, compression: Compression): Promise<BuiltImage> {
  const base = await layer([file("format", `${format} ${compression}\n`)], compression);
  return image([await busyboxLayer(), base], { Cmd: ["sh"] }, { format });
}

/** This machine's image between those of others, and an entry for no platform at all. */
export async function multiArchitectureImage(format: Format): Promise<BuiltImage> {
  const build = async (architecture: string) =>
    image(
      [await busyboxLayer(), await layer([file("architecture", `${architecture}\n`)])],
      { Cmd: ["sh"] },
      { format, architecture },
    );
  const platforms = ["s390x", GOARCH, "riscv64"];
  const entries = await Promise.all(platforms.map(async (architecture) => ({
    image: await build(architecture),
    platform: { os: "linux", architecture },
  })));
  const attestation = {
    image: image([await layer([file("statement")])], {}, { format }),
    platform: { os: "unknown", architecture: "unknown" },
  };
  return index([attestation, ...entries], format);
}

/** An index without anything for this machine. */
async function otherArchitectureOnly(): Promise<BuiltImage> {
  const other = image([await layer([file("architecture", "s390x\n")])], {}, {
    format: "oci",
    architecture: "s390x",
  });
  return index([{ image: other, platform: { os: "linux", architecture: "s390x" } }]);
}

/**
 * Removals across layers. What must be seen in the end: `kept`, `replaced` as a file, `opaque/new`
 * alone in `opaque/`, `back` with its new text; not `gone`, nor `gone-dir`.
 */
async function whiteoutsImage(): Promise<BuiltImage> {
  const lower = await layer([
    file("kept", "lower\n"),
    file("gone", "lower\n"),
    dir("gone-dir"),
    file("gone-dir/file", "lower\n"),
    dir("opaque", { mode: 0o750 }),
    file("opaque/old", "lower\n"),
    dir("replaced"),
    file("replaced/file", "lower\n"),
    file("back", "lower\n"),
  ]);
  const middle = await layer([
    file(".wh.gone"),
    file(".wh.gone-dir"),
    dir("opaque", { mode: 0o750 }),
    file("opaque/.wh..wh..opq"),
    file("opaque/new", "middle\n"),
    file("replaced", "middle\n"),
    file(".wh.back"),
  ]);
  const upper = await layer([file("back", "upper\n")]);
  return image([await busyboxLayer(), lower, middle, upper], { Cmd: ["sh"] });
}

/** Long lower lists overflow a mount call's page of options when paths are not kept short. */
async function manyLayersImage(): Promise<BuiltImage> {
  const layers = await Promise.all(
    Array.from(
      { length: MANY_LAYERS },
      (_, number) => layer([file(`layer-${number}`, `${number}\n`), file("last", `${number}\n`)]),
    ),
  );
  return image([await busyboxLayer(), ...layers], { Cmd: ["sh"] });
}

/** Every kind of entry, long names, owners, times, set-id bits and extended attributes. */
async function fileKindsImage(): Promise<BuiltImage> {
  const long = `${"long-directory-name/".repeat(8)}${"n".repeat(120)}`;
  const kinds = await layer([
    dir("kinds"),
    file("kinds/owned", "1234:5678\n", { uid: 1234, gid: 5678, mode: 0o640, mtime: 1_000_000_000 }),
    file("kinds/set-user-id", "", { mode: 0o4755, uid: 1234, gid: 5678 }),
    file("kinds/set-group-id", "", { mode: 0o2755, uid: 1234, gid: 5678 }),
    dir("kinds/sticky", { mode: 0o1777 }),
    file("kinds/attributes", "", { xattrs: { "user.colour": "blue" } }),
    file("kinds/linked", "linked\n"),
    hardlink("kinds/link", "kinds/linked"),
    symlink("kinds/dangling", "/no/such/file"),
    symlink("kinds/absolute", "/kinds/linked"),
    { path: "kinds/null", type: "char", device: [1, 3], mode: 0o666 },
    { path: "kinds/block", type: "block", device: [7, 0], mode: 0o600 },
    { path: "kinds/pipe", type: "fifo", mode: 0o600 },
    file(`kinds/${long}`, "long\n"),
    file("kinds/\u00fcml\u00e4ut \u2603", "unicode\n"),
    file("kinds/zeros", new Uint8Array(1024 * 1024)),
  ]);
  return image([await busyboxLayer(), kinds], { Cmd: ["sh"] });
}

/** A file whose directories have no entries, and an entry that starts with "./". */
async function implicitParentsImage(): Promise<BuiltImage> {
  const files = await layer([file("deep/er/file", "deep\n"), file("./dotted", "dotted\n")]);
  return image([await busyboxLayer(), files], { Cmd: ["sh"] });
}

/** A config with everything in it. */
async function configuredImage(): Promise<BuiltImage> {
  const data = await layer([dir("data"), file("data/from-image", "image\n"), dir("work")]);
  return image([await busyboxLayer(), data], {
    User: "www-data",
    Env: [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "COLOUR=blue",
      "EMPTY=",
    ],
    Entrypoint: ["/bin/sh", "-c"],
    Cmd: ["echo default; exec sleep 1000"],
    WorkingDir: "/work",
    StopSignal: "SIGINT",
    Volumes: { "/data": {} },
    Labels: { "org.example.title": "configured" },
    ExposedPorts: { "8080/tcp": {} },
  });
}

/** Files without a root file system. */
function artifactImage(): Promise<BuiltImage> {
  const content = bytesBlob(new TextEncoder().encode('{"defaultAction":"SCMP_ACT_ALLOW"}\n'));
  return Promise.resolve(
    artifact("application/vnd.crid.test", [
      { name: "profile.json", mediaType: "application/json", blob: content },
    ]),
  );
}
