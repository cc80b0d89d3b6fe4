import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "@std/path";
import { after, before, describe, it } from "@std/testing/bdd";
import { startContainer } from "../../../src/oci/mod.ts";
import { fipsMounts } from "../../../src/oci/spec/fips.ts";
import { type ContainerOptions, makePlace, NO_SECURITY, type Place, specInput } from "./fixture.ts";

for (const name of ["runc", "crun"]) {
  describe(`what the configuration and annotations give a container under ${name}`, () => {
    let place: Place;
    before(async () => {
      place = await makePlace();
    });
    after(() => place[Symbol.asyncDispose]());

    /** Runs a script to its end and returns what it wrote, without the log's frame. */
    const output = async (run: string, options: Partial<ContainerOptions> = {}) => {
      const handler = place.handler(name);
      const made = await place.create({ handler, run, ...options });
      await startContainer(handler, made.id);
      await made.closed;
      const log = await readFile(made.logPath, "utf8");
      return log.replaceAll(/^\S+ std(out|err) [FP] /gm, "");
    };
    const directory = async (file: string, text: string, mode = 0o644) => {
      const path = join(place.directory, crypto.randomUUID());
      await mkdir(path);
      await writeFile(join(path, file), text, { mode });
      return path;
    };

    it("is a umask", async () => {
      const input = { annotations: { "umask.crio.io": "0077" } };
      assert.equal(await output("umask", { input }), "0077\n");
      await assert.rejects(
        output("true", { input: { annotations: { "io.kubernetes.cri-o.umask": "9" } } }),
        /invalid umask string 9/,
      );
    });

    it("are devices that the configuration allows to be asked for", async () => {
      const input = { annotations: { "devices.crio.io": "/dev/null:/dev/asked:rw" } };
      assert.equal(
        await output("stat -c %t:%T /dev/asked; echo x > /dev/asked && echo written", {
          input,
          defaults: { allowedDevices: ["/dev/null"] },
        }),
        "1:3\nwritten\n",
      );
      await assert.rejects(
        output("true", { input }),
        /device \/dev\/null is specified but is not in allowed_devices/,
      );
    });

    it("are devices that belong to the user, where that is configured", async () => {
      const input = {
        // Not /dev/null: crun gives the host's own to a container's user whose input it is.
        annotations: { "devices.crio.io": "/dev/zero:/dev/asked:rw" },
        security: { ...NO_SECURITY, runAsUser: 1234, runAsGroup: 4321 },
      };
      const owner = (deviceOwnershipFromSecurityContext: boolean) =>
        output("stat -c %u:%g /dev/asked", {
          input,
          defaults: { allowedDevices: ["/dev/zero"], deviceOwnershipFromSecurityContext },
        });
      assert.equal(await owner(true), "1234:4321\n");
      assert.equal(await owner(false), "0:0\n");
    });

    it("are hooks, as they are at that moment", async () => {
      const trace = join(place.directory, `hook-${name}`);
      const program = join(await directory("hook", `#!/bin/sh\ncat >> ${trace}\n`, 0o755), "hook");
      const hooks = await directory("90-test.json", "{}");
      const defaults = { hooksDirs: [hooks] };
      await output("true", { defaults });
      await writeFile(
        join(hooks, "90-test.json"),
        JSON.stringify({
          version: "1.0.0",
          hook: { path: program },
          when: { annotations: { "^hook$": "^on$" } },
          stages: ["prestart"],
        }),
      );
      await output("true", { defaults });
      await assert.rejects(readFile(trace), { code: "ENOENT" });
      await output("true", { defaults, input: { annotations: { hook: "on" } } });
      assert.match(await readFile(trace, "utf8"), /"bundle": ?"/);
    });

    it("are CDI devices, with all that comes with them", async () => {
      const library = await directory("lib", "content\n");
      const cdi = await directory(
        "vendor.json",
        JSON.stringify({
          cdiVersion: "0.6.0",
          kind: "vendor.com/class",
          devices: [{
            name: "one",
            containerEdits: {
              env: ["FROM_CDI=yes"],
              deviceNodes: [{ path: "/dev/vendor", hostPath: "/dev/zero" }],
              mounts: [{
                hostPath: library,
                containerPath: "/opt/vendor",
                options: ["ro", "bind"],
              }],
            },
          }],
        }),
      );
      const options = {
        defaults: { cdiSpecDirs: [cdi] },
        input: { ownAnnotations: { "cdi.k8s.io/plugin": "vendor.com/class=one" } },
      };
      const script = "echo $FROM_CDI; stat -c %t:%T /dev/vendor; cat /opt/vendor/lib; " +
        "head -c 1 /dev/vendor | wc -c";
      assert.equal(await output(script, options), "yes\n1:5\ncontent\n1\n");
      assert.equal(
        await output(script, { ...options, input: { cdiDevices: ["vendor.com/class=one"] } }),
        "yes\n1:5\ncontent\n1\n",
      );
      await assert.rejects(
        output("true", { ...options, input: { cdiDevices: ["vendor.com/class=two"] } }),
        /CDI device injection failed: unresolvable CDI devices vendor.com\/class=two/,
      );
    });

    it("are copies of files of the host", async () => {
      const secret = await directory("key", "secret\n");
      const list = join(await directory("mounts.conf", `${secret}:/run/secrets\n/none:/x\n`));
      const defaults = { defaultMountsFile: join(list, "mounts.conf") };
      const script = "cat /run/secrets/key; echo changed > /run/secrets/key";
      assert.equal(await output(script, { defaults }), "secret\n");
      assert.equal(await readFile(join(secret, "key"), "utf8"), "secret\n");
    });

    it("is a time zone", async () => {
      const zone = (timezone: string) =>
        output("head -c 4 /etc/localtime 2>/dev/null", { defaults: { timezone } });
      assert.equal(await zone(""), "");
      const rules = join(place.directory, "rootfs/usr/share/zoneinfo/Test");
      await mkdir(rules, { recursive: true });
      await writeFile(join(rules, "Zone"), "TZif2");
      assert.equal(await zone("Test/Zone"), "TZif\n");
      await Deno.remove(join(place.directory, "rootfs/etc/localtime"));
    });

    it("is GOMAXPROCS where nothing else limits a Go program", async () => {
      const input = { cgroupsPath: `${place.cgroupParent}/besteffort-${crypto.randomUUID()}` };
      const defaults = { minInjectedGomaxprocs: 3 };
      const script = "echo $GOMAXPROCS";
      assert.equal(await output(script, { input, defaults }), "3\n");
      assert.equal(await output(script, { defaults }), "\n");
      const annotations = { "skip-gomaxprocs.crio.io": "true" };
      assert.equal(await output(script, { input: { ...input, annotations }, defaults }), "\n");
      assert.equal(
        await output(script, { input: { ...input, env: [["GOMAXPROCS", "9"]] }, defaults }),
        "9\n",
      );
    });

    it("is what systemd needs when it is the program", async () => {
      await writeFile(
        join(place.directory, "rootfs/bin/systemd"),
        "#!/bin/sh\necho $container; cat /proc/mounts\n",
        { mode: 0o755 },
      );
      const text = await output("", { input: { command: ["/bin/systemd"] } });
      assert.match(text, /^crio$/m);
      for (const path of ["/run", "/run/lock", "/tmp", "/var/log/journal"]) {
        assert.match(text, new RegExp(`^tmpfs ${path} tmpfs rw,`, "m"));
      }
      if (await Deno.stat("/sys/fs/cgroup/systemd").then(() => true, () => false)) {
        assert.match(text, / \/sys\/fs\/cgroup\/systemd cgroup rw,/);
      }
    });

    it("are a read-only root with places to write", async () => {
      assert.match(
        await output("exec 2>&1; touch /file; touch /tmp/a /run/b /var/tmp/c && echo written", {
          defaults: { readOnly: true },
        }),
        /\/file: Read-only file system\nwritten\n/,
      );
    });
  });
}

describe("the FIPS mode of the host", () => {
  it("is passed on, or hidden from a pod that asks for that", async () => {
    const directory = await Deno.makeTempDir({ prefix: "crid-fips-" });
    try {
      const rootfs = join(directory, "rootfs");
      await mkdir(join(rootfs, "usr/share/crypto-policies/back-ends/FIPS"), { recursive: true });
      await mkdir(join(rootfs, "etc/crypto-policies/back-ends"), { recursive: true });
      const places = async (
        mode: "on" | "off",
        annotations: Record<string, string> = {},
        podLabels: Record<string, string> = {},
      ) => {
        const input = specInput(directory, { podLabels });
        const spec = { annotations } as unknown as Parameters<typeof fipsMounts>[0]["spec"];
        return (await fipsMounts({ input, spec }, mode)).map(({ destination }) => destination);
      };
      assert.deepEqual(await places("off"), []);
      assert.deepEqual(await places("on"), [
        "/run/secrets/system-fips",
        "/etc/crypto-policies/back-ends",
      ]);
      const annotations = { "disable-fips.crio.io": "true" };
      assert.deepEqual((await places("on", annotations)).length, 2);
      assert.deepEqual(await places("on", annotations, { FIPS_DISABLE: "true" }), [
        "/proc/sys/crypto/fips_enabled",
      ]);
      assert.equal(await readFile(join(directory, "fips_enabled"), "utf8"), "0\n");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
});
