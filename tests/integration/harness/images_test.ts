import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { DEFAULT_PATH, run } from "../../../src/linux/mod.ts";
import { CONFORMANCE_IMAGES, MANY_LAYERS, pushTestImages } from "../../images/mod.ts";
import { startRegistry } from "../../harness/registry.ts";

const PODMAN_RUN = [
  "run",
  "--rm",
  "--network=none",
  "--ulimit=nofile=1024:1024",
  "--ulimit=nproc=1024:1024",
];
const IMAGES = [
  "e2e-test-images/busybox",
  "e2e-test-images/nonewprivs",
  "e2e-test-images/nginx",
  "k8s-staging-cri-tools/test-image-predefined-group",
  "k8s-staging-cri-tools/test-image-tags",
  "pause",
  "crid/zstd",
  "crid/multi-arch",
  "crid/other-arch",
  "crid/whiteouts",
  "crid/many-layers",
];

/** The images are judged by podman, so that a failure over crid is crid's. */
describe("test images under podman", () => {
  const stack = new AsyncDisposableStack();
  let host: string;
  let directory: string;

  const podman = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await run("podman", [
      ...["--root", join(directory, "root"), "--runroot", join(directory, "run")],
      ...["--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--runtime=runc"],
      ...args,
    ], {
      env: { PATH: DEFAULT_PATH, CONTAINERS_REGISTRIES_CONF: join(directory, "registries.conf") },
    });
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  const shell = async (image: string, script: string, ...options: readonly string[]) =>
    (await podman(...PODMAN_RUN, ...options, `${host}/${image}`, "sh", "-c", script)).stdout;

  before(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-images-" });
    stack.defer(async () => {
      await run("umount", ["-l", join(directory, "root/overlay")]);
      await Deno.remove(directory, { recursive: true });
    });
    const registry = stack.use(await startRegistry());
    host = registry.host;
    await pushTestImages(registry.url, IMAGES);
    await Deno.writeTextFile(
      join(directory, "registries.conf"),
      `[[registry]]\nlocation = "${host}"\ninsecure = true\n`,
    );
  });
  after(() => stack.disposeAsync());

  it("give busybox its applets, users and scripts", async () => {
    const script =
      "id -nu; touch written && echo yes; sleep 9 & until pgrep sleep; do :; done | wc -l; ipcs -m | head -1";
    const lines = (await shell("e2e-test-images/busybox:1.29-2", script)).split("\n");
    assert.deepEqual(lines.slice(0, 3), ["root", "yes", "1"]);
    assert.match(lines[3]!, /shmid/);
  });

  it("make every applet a file of its own name with one content", async () => {
    const script = "stat -c '%i %F' /bin/ls /bin/busybox | sort -u | wc -l";
    assert.equal(await shell("e2e-test-images/busybox:1.29-2", script), "1\n");
  });

  it("keep the set-user-ID bit, which no-new-privileges takes the effect of", async () => {
    const run = async (...options: readonly string[]) => {
      const image = `${host}/e2e-test-images/nonewprivs:1.3`;
      return (await podman(...PODMAN_RUN, "--user=1000", ...options, image)).stdout;
    };
    assert.equal(await run(), "Effective uid: 0\n");
    assert.equal(await run("--security-opt=no-new-privileges"), "Effective uid: 1000\n");
  });

  it("serve a page with nginx, whose process ids can be found", async () => {
    const script = 'nginx -g "daemon off;" 2>/dev/null & ' +
      "while [ ! -s /var/run/nginx.pid ]; do sleep 0.1; done; " +
      "wget -q -O - http://127.0.0.1/ && cat /proc/$(cat /var/run/nginx.pid)/cmdline";
    const text = await shell("e2e-test-images/nginx:1.14-2", script);
    assert.match(text, /<h1>nginx<\/h1>/);
    assert.match(text, /nginx: master process/);
  });

  it("add the group that the image defines to its user", async () => {
    const image = "k8s-staging-cri-tools/test-image-predefined-group";
    assert.equal(await shell(image, "id -G"), "1000 50000\n");
  });

  it("give the three tags of one image one id", async () => {
    const ids = await Promise.all(["1", "2", "3"].map(async (tag) => {
      const image = `${host}/k8s-staging-cri-tools/test-image-tags:${tag}`;
      return (await podman("pull", "--quiet", image)).stdout;
    }));
    assert.match(ids[0]!, /^[0-9a-f]{64}\n$/);
    assert.equal(new Set(ids).size, 1);
  });

  it("end the pause program with success when it is asked to stop", async () => {
    const name = "pause";
    const start = PODMAN_RUN.filter((option) => option !== "--rm");
    await podman(...start, "--detach", "--name", name, `${host}/pause:3.9`);
    await podman("stop", "--time=20", name);
    const { stdout } = await podman("inspect", "--format={{.State.ExitCode}}", name);
    assert.equal(stdout, "0\n");
    await podman("rm", "--force", name);
  });

  it("unpack from zstd and out of an index of platforms", async () => {
    assert.equal(await shell("crid/zstd", "cat /format"), "oci zstd\n");
    const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
    assert.equal(await shell("crid/multi-arch", "cat /architecture"), `${architecture}\n`);
    const other = await podman("pull", "--quiet", `${host}/crid/other-arch`);
    assert.notEqual(other.code, 0);
    assert.match(other.stderr, /no image found in image index/);
  });

  it("remove and replace across layers as whiteouts say", async () => {
    const script =
      "cd /; ls -d kept gone gone-dir opaque replaced back 2>/dev/null | tr '\\n' ' '; " +
      "ls opaque; cat back replaced";
    assert.equal(
      await shell("crid/whiteouts", script),
      "back kept opaque replaced new\nupper\nmiddle\n",
    );
  });

  it("stack many layers", async () => {
    const script = "ls -d /layer-* | wc -l; cat /last";
    assert.equal(await shell("crid/many-layers", script), `${MANY_LAYERS}\n${MANY_LAYERS - 1}\n`);
  });
});

describe("the catalog of test images", () => {
  it("builds every conformance image with an id of its own, but for the plain busybox", async () => {
    const ids = await Promise.all(
      CONFORMANCE_IMAGES.map(async ({ build }) => (await build()).configDigest),
    );
    assert.equal(new Set(ids).size, CONFORMANCE_IMAGES.length - 1);
  });

  it("refuses a name that it does not have", async () => {
    await assert.rejects(pushTestImages("http://127.0.0.1:1", ["no/such"]), /no such test image/);
  });
});
