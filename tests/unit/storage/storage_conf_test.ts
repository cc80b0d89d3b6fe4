import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { isCode } from "../../../src/failure/mod.ts";
import { loadStorageConf, parseStorageConf } from "../../../src/storage/mod.ts";

describe("storage.conf", () => {
  it("gives roots, driver and the driver's options, with the general ones as fallback", () => {
    const options = parseStorageConf(
      `[storage]
driver = "overlay"
graphroot = "/g"
runroot = "/r"
imagestore = "/i"
[storage.options]
mountopt = "nodev"
skip_mount_home = "true"
additionalimagestores = ["/a", "/b"]
[storage.options.overlay]
mountopt = "nodev,metacopy=on"
`,
      "test",
    );
    assert.deepEqual(options, {
      graphRoot: "/g",
      runRoot: "/r",
      driver: "overlay",
      imageStore: "/i",
      options: [
        "overlay.mountopt=nodev,metacopy=on",
        "overlay.skip_mount_home=true",
        "overlay.imagestore=/a",
        "overlay.imagestore=/b",
      ],
    });
  });

  it("has defaults for everything", () => {
    assert.deepEqual(parseStorageConf("", "test"), {
      graphRoot: "/var/lib/containers/storage",
      runRoot: "/run/containers/storage",
      driver: "overlay",
      imageStore: "",
      options: [],
    });
  });

  it("names the file when it is broken", () => {
    for (
      const text of [
        "[storage",
        "[storage]\ngraphroot = 3\n",
        "[storage.options]\nadditionalimagestores = 1\n",
      ]
    ) {
      assert.throws(() => parseStorageConf(text, "/etc/storage.conf"), (error) => {
        assert.match(String(error), /\/etc\/storage\.conf/);
        return isCode(error, "invalid_argument");
      });
    }
  });

  it("is looked for where the environment says, which also wins over it", async () => {
    const directory = await Deno.makeTempDir();
    try {
      const file = join(directory, "storage.conf");
      await Deno.writeTextFile(file, '[storage]\ngraphroot = "/elsewhere"\n');
      const options = loadStorageConf({
        CONTAINERS_STORAGE_CONF: file,
        STORAGE_DRIVER: "vfs",
        STORAGE_OPTS: "overlay.mountopt=nodev,overlay.size=1G",
      });
      assert.equal(options.graphRoot, "/elsewhere");
      assert.equal(options.driver, "vfs");
      assert.deepEqual(options.options, ["overlay.mountopt=nodev", "overlay.size=1G"]);
      const missing = loadStorageConf({ CONTAINERS_STORAGE_CONF: join(directory, "none") });
      assert.equal(missing.graphRoot, "/var/lib/containers/storage");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
});
