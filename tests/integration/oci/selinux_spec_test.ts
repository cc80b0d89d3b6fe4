import assert from "node:assert/strict";
import { join } from "@std/path";
import { after, before, describe, it } from "@std/testing/bdd";
import {
  buildSpec,
  NO_IMAGE_CONFIG,
  type SpecInput,
  type SpecSelinux,
} from "../../../src/oci/mod.ts";
import { fileLabel } from "../../../src/security/mod.ts";
import { DEFAULTS, makePlace, NO_SECURITY, type Place, specInput } from "./fixture.ts";

const PROCESS = "system_u:system_r:container_t:s0:c1,c2";
const MOUNT = "system_u:object_r:container_file_t:s0:c1,c2";

// No runtime takes such a spec where the kernel runs no SELinux: ./dev vm --lsm selinux selinux.
describe("the spec of a container with SELinux labels", () => {
  let place: Place;
  let selinux: SpecSelinux;
  before(async () => {
    place = await makePlace();
    const kernel = join(place.directory, "selinuxfs");
    await Deno.mkdir(kernel);
    await Deno.writeTextFile(join(kernel, "context"), "");
    selinux = {
      policy: { kernel, process: PROCESS, file: MOUNT, readOnlyFile: MOUNT, init: PROCESS },
      process: PROCESS,
      init: PROCESS.replace("container_t", "container_init_t"),
      mount: MOUNT,
      relabel: "always",
    };
  });
  after(() => place[Symbol.asyncDispose]());

  const build = (input: Partial<SpecInput>) =>
    buildSpec(
      specInput(place.directory, { selinux, ...input }),
      DEFAULTS,
      place.handler("runc"),
    );
  const volume = async (selinuxRelabel: "relabelled" | "left") => {
    const hostPath = await Deno.makeTempDir({ dir: place.directory });
    await Deno.writeTextFile(join(hostPath, "file"), "");
    return {
      containerPath: `/mnt/${crypto.randomUUID()}`,
      hostPath,
      readonly: false,
      recursiveReadonly: false,
      selinuxRelabel: selinuxRelabel === "relabelled",
      propagation: "private" as const,
    };
  };

  it("has them for its process and its mounts", async () => {
    const { spec } = await build({});
    assert.equal(spec.process.selinuxLabel, PROCESS);
    assert.equal(spec.linux.mountLabel, MOUNT);
  });

  it("has none where there are none", async () => {
    for (const none of [undefined, { ...selinux, process: "", mount: "" }]) {
      const { spec } = await build({ selinux: none });
      assert.equal(spec.process.selinuxLabel, undefined);
      assert.equal(spec.linux.mountLabel, undefined);
    }
  });

  it("has another for systemd", async () => {
    const { spec } = await build({ command: ["/sbin/init"] });
    assert.equal(spec.process.selinuxLabel, selinux.init);
  });

  it("comes with labelled volumes, if their mounts ask for it", async () => {
    const [mine, other] = [await volume("relabelled"), await volume("left")];
    await build({ mounts: [mine, other] });
    assert.equal(fileLabel(mine.hostPath), MOUNT);
    assert.equal(fileLabel(join(mine.hostPath, "file")), MOUNT);
    assert.equal(fileLabel(other.hostPath), "");
  });

  it("leaves volumes alone that are not to be labelled, or not again", async () => {
    const mine = await volume("relabelled");
    await build({ mounts: [mine], selinux: { ...selinux, relabel: "never" } });
    assert.equal(fileLabel(mine.hostPath), "");
    await build({ mounts: [mine], selinux: { ...selinux, mount: "" } });
    assert.equal(fileLabel(mine.hostPath), "");
    const again = { ...selinux, relabel: "unless labelled" as const };
    await build({ mounts: [mine], selinux: again });
    const file = join(mine.hostPath, "file");
    assert.equal(fileLabel(file), MOUNT);
    await Deno.remove(file);
    await Deno.writeTextFile(file, "");
    await build({ mounts: [mine], selinux: again });
    assert.equal(fileLabel(file), "");
  });

  it("comes with labelled files of its own", async () => {
    const secret = join(place.directory, "secret");
    await Deno.writeTextFile(secret, "s");
    const mountsFile = join(place.directory, "mounts.conf");
    await Deno.writeTextFile(mountsFile, `${secret}:/run/secret\n`);
    const { spec } = await buildSpec(
      specInput(place.directory, {
        selinux,
        security: { ...NO_SECURITY, runAsUser: 4242 },
        image: { ...NO_IMAGE_CONFIG, volumes: ["/data"] },
      }),
      { ...DEFAULTS, defaultMountsFile: mountsFile, imageVolumes: "bind" },
      place.handler("runc"),
    );
    for (const destination of ["/etc/passwd", "/run/secret", "/data"]) {
      const source = spec.mounts.find((mount) => mount.destination === destination)?.source;
      assert.equal(fileLabel(source ?? ""), MOUNT, destination);
    }
  });
});
