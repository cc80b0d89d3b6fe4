import assert from "node:assert/strict";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "@std/path";
import { after, before, describe, it } from "@std/testing/bdd";
import {
  deviceNumber,
  FileType,
  kernelFileExists,
  listKernelDirectory,
  mknod,
  readKernelFile,
} from "../../../src/linux/mod.ts";
import { loadBlockio, type SpecInput, startContainer } from "../../../src/oci/mod.ts";
import { makePlace, type Place } from "./fixture.ts";

const LIMITS = "/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device";
const LABEL = { "io.kubernetes.container.name": "main" };

/** Numbers of disks that the kernel has: it takes limits for no others. */
const [DISK = "", OTHER = ""] = (listKernelDirectory("/sys/block") ?? [])
  .map(({ name }) => readKernelFile(`/sys/block/${name}/dev`)?.trim() ?? "").toSorted();

// On v2 the runtime writes io.max; what crid gives it is the same.
describe("block I/O classes", { ignore: OTHER === "" || !kernelFileExists(LIMITS) }, () => {
  let place: Place;
  let file: string;
  before(async () => {
    place = await makePlace();
    const devices = join(place.directory, "dev");
    await mkdir(devices);
    for (const [name, numbers] of [["disk0", DISK], ["disk1", OTHER]] as const) {
      const [major = 0, minor = 0] = numbers.split(":").map(Number);
      mknod(join(devices, name), FileType.BLOCK | 0o600, deviceNumber(major, minor));
    }
    await symlink("disk0", join(devices, "disk-by-name"));
    await writeFile(join(devices, "disk-notes"), "");
    file = join(place.directory, "blockio.yaml");
    await writeFile(
      file,
      `Classes:
  slow:
    - Devices: ["${devices}/disk*"]
      ThrottleReadBps: 60M
    - Devices: [${devices}/disk1, ${devices}/none]
      ThrottleReadBps: 1Mi
  slower:
    - Devices: [${devices}/d?sk0]
      ThrottleReadBps: 1000
`,
    );
  });
  after(() => place[Symbol.asyncDispose]());

  /** What the cgroup of a container says. */
  const limits = async (input: Partial<SpecInput>, blockio = loadBlockio(file, "once")) => {
    const handler = place.handler("runc");
    const made = await place.create({
      handler,
      run: `cat ${LIMITS}`,
      input,
      defaults: { blockio },
    });
    await startContainer(handler, made.id);
    await made.closed;
    const log = await readFile(made.logPath, "utf8");
    return log.replaceAll(/^\S+ std(out|err) [FP] /gm, "").split("\n").filter(Boolean).toSorted();
  };

  it("limit containers of a pod, by the last rule that names a device", async () => {
    const pod = { "blockio.resources.beta.kubernetes.io/pod": "slow" };
    assert.deepEqual(await limits({ annotations: pod }), [`${DISK} 60000000`, `${OTHER} 1048576`]);
  });

  it("are chosen by the container's own annotation, then the pod's for it, then the pod's", async () => {
    const annotations = {
      ...LABEL,
      "blockio.resources.beta.kubernetes.io/pod": "slow",
      "blockio.resources.beta.kubernetes.io/container.main": "slower",
      "blockio.resources.beta.kubernetes.io/container.other": "slow",
    };
    assert.deepEqual(await limits({ annotations }), [`${DISK} 1000`]);
    const ownAnnotations = { "io.kubernetes.cri.blockio-class": "slow" };
    assert.equal((await limits({ annotations, ownAnnotations })).length, 2);
  });

  it("that are not there limit nothing", async () => {
    const annotations = { "blockio.resources.beta.kubernetes.io/pod": "none" };
    assert.deepEqual(await limits({ annotations }), []);
  });

  it("find devices that come later only if they look each time", async () => {
    const [once, each] = [loadBlockio(file, "once"), loadBlockio(file, "each")];
    const path = join(place.directory, "dev", "disk9");
    mknod(path, FileType.BLOCK | 0o600, deviceNumber(7, 255));
    const count = (blockio: typeof once) => blockio.limits("slow")?.throttleReadBpsDevice?.length;
    assert.deepEqual([count(once), count(each)], [2, 3]);
    await Deno.remove(path);
  });

  it("are refused with the name of their file", async () => {
    const broken = join(place.directory, "broken.yaml");
    await writeFile(broken, "Classes: {a: 1}");
    assert.throws(
      () => loadBlockio(broken, "once"),
      /^CridError: blockio_config_file \S+broken.yaml: class a is not a list/,
    );
    assert.throws(() => loadBlockio(join(place.directory, "none"), "once"), /blockio_config_file/);
  });
});
