/**
 * Every image of the conformance suites by its repository path and tags. A registry that serves them
 * stands in for registry.k8s.io, gcr.io and k8s.gcr.io at once, since no paths collide.
 *
 * @module
 */
import { file, program, withParents } from "./entries.ts";
import { type BuiltImage, GOARCH, image, type RunConfig } from "./image.ts";
import { type Layer, layer } from "./layer.ts";
import { compiled } from "./programs.ts";
import { busyboxRoot, GROUP, nginxRoot, PASSWD } from "./rootfs.ts";

/** One image and the names it is pushed under. */
export interface CatalogEntry {
  readonly repository: string;
  readonly tags: readonly string[];
  build(): Promise<BuiltImage>;
}

const E2E = "e2e-test-images";
const CRI_TOOLS = "k8s-staging-cri-tools";

/** Layers that several images share, built once. */
let busybox: Promise<Layer> | undefined;
let nginx: Promise<Layer> | undefined;

/** The busybox layer below most images. */
export function busyboxLayer(): Promise<Layer> {
  return busybox ??= busyboxRoot().then((entries) => layer(entries));
}

/** A web server above busybox. */
export async function nginxLayers(): Promise<readonly Layer[]> {
  nginx ??= nginxRoot(80).then((entries) => layer(entries));
  return [await busyboxLayer(), await nginx];
}

/** The images that critest and crictl ask for, critest's benchmarks included. */
export const CONFORMANCE_IMAGES: readonly CatalogEntry[] = [
  entry(`${E2E}/busybox`, ["1.29-2"], busyboxImage),
  entry(`${E2E}/nginx`, ["1.14-2"], nginxImage),
  entry(`${E2E}/httpd`, ["2.4.39-4"], httpdImage),
  entry(`${E2E}/nonewprivs`, ["1.3"], noNewPrivilegesImage),
  entry(`${CRI_TOOLS}/hostnet-nginx-${GOARCH}`, ["latest"], hostNetworkNginxImage),
  entry(`${CRI_TOOLS}/test-image-tag`, ["test"], () => markedImage("test-image-tag-test")),
  entry(`${CRI_TOOLS}/test-image-tag`, ["all"], () => markedImage("test-image-tag-all")),
  entry(`${CRI_TOOLS}/test-image-latest`, ["latest"], () => markedImage("test-image-latest")),
  entry(`${CRI_TOOLS}/test-image-digest`, ["latest"], () => markedImage("test-image-digest")),
  entry(`${CRI_TOOLS}/test-image-1`, ["latest"], () => markedImage("test-image-1")),
  entry(`${CRI_TOOLS}/test-image-2`, ["latest"], () => markedImage("test-image-2")),
  entry(`${CRI_TOOLS}/test-image-3`, ["latest"], () => markedImage("test-image-3")),
  entry(`${CRI_TOOLS}/test-image-tags`, ["1", "2", "3"], () => markedImage("test-image-tags")),
  entry(`${CRI_TOOLS}/test-image-user-uid`, ["latest"], () => userImage("1002")),
  entry(`${CRI_TOOLS}/test-image-user-username`, ["latest"], () => userImage("www-data")),
  entry(`${CRI_TOOLS}/test-image-user-uid-group`, ["latest"], () => userImage("1003:1004")),
  entry(
    `${CRI_TOOLS}/test-image-user-username-group`,
    ["latest"],
    () => userImage("www-data:1004"),
  ),
  entry(`${CRI_TOOLS}/test-image-predefined-group`, ["latest"], predefinedGroupImage),
  entry("pause", ["3.9"], pauseImage),
  entry(
    "docker/library/busybox",
    ["1", "1-glibc", "1-musl", "1-uclibc", "1.35.0-glibc"],
    busyboxImage,
  ),
];

function entry(
  repository: string,
  tags: readonly string[],
  build: () => Promise<BuiltImage>,
): CatalogEntry {
  return { repository, tags, build };
}

/** busybox with a shell. */
export async function busyboxImage(config: RunConfig = { Cmd: ["sh"] }): Promise<BuiltImage> {
  return image([await busyboxLayer()], config);
}

/** A web server on port 80. */
export async function nginxImage(): Promise<BuiltImage> {
  return image(await nginxLayers(), {
    Cmd: ["nginx", "-g", "daemon off;"],
    ExposedPorts: { "80/tcp": {} },
  });
}

/** The same in the host's network, so on a port of its own. */
async function hostNetworkNginxImage(): Promise<BuiltImage> {
  const [entries, base] = await Promise.all([nginxRoot(12003), busyboxLayer()]);
  return image([base, await layer(entries)], { Cmd: ["nginx", "-g", "daemon off;"] });
}

/** The log has to say "httpd". */
async function httpdImage(): Promise<BuiltImage> {
  const server = await layer([
    program(
      "bin/httpd-foreground",
      "#!/bin/sh\necho 'httpd: serving /var/www on port 80' >&2\nexec httpd -f -p 80 -h /var/www\n",
    ),
    file("var/www/index.html", "<h1>It works!</h1>\n"),
  ]);
  return image([await busyboxLayer(), server], {
    Cmd: ["httpd-foreground"],
    ExposedPorts: { "80/tcp": {} },
  });
}

async function noNewPrivilegesImage(): Promise<BuiltImage> {
  const nnp = await layer(withParents([
    file("usr/local/bin/nnp", await compiled("nnp"), { mode: 0o6755 }),
  ]));
  return image([await busyboxLayer(), nnp], { Cmd: ["nnp"] });
}

/** busybox and an empty file, so that the image has an id of its own. */
export async function markedImage(name: string): Promise<BuiltImage> {
  return image([await busyboxLayer(), await layer([file(name)])], { Cmd: ["sh"] });
}

/** busybox whose config names a user. */
export async function userImage(user: string): Promise<BuiltImage> {
  return image([await busyboxLayer()], { User: user, Cmd: ["sh"] });
}

async function predefinedGroupImage(): Promise<BuiltImage> {
  const users = await layer([
    file("etc/passwd", `${PASSWD}default-user:x:1000:1000::/home:/bin/sh\n`),
    file(
      "etc/group",
      `${GROUP}default-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n`,
    ),
  ]);
  return image([await busyboxLayer(), users], { User: "1000", Cmd: ["sh"] });
}

/** Nothing but a program that waits. */
export async function pauseImage(): Promise<BuiltImage> {
  return image([await layer([program("pause", await compiled("pause"))])], {
    Entrypoint: ["/pause"],
    User: "65535:65535",
  });
}
