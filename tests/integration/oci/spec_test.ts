import assert from "node:assert/strict";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "@std/path";
import { after, before, describe, it } from "@std/testing/bdd";
import { run } from "../../../src/linux/mod.ts";
import {
  type MountRequest,
  NO_IMAGE_CONFIG,
  NO_RESOURCES,
  type SecurityContext,
  startContainer,
} from "../../../src/oci/mod.ts";
import { type ContainerOptions, makePlace, NO_SECURITY, type Place } from "./fixture.ts";

const MOUNT: MountRequest = {
  containerPath: "/mnt",
  hostPath: "",
  readonly: false,
  recursiveReadonly: false,
  selinuxRelabel: false,
  propagation: "private",
};

for (const name of ["runc", "crun"]) {
  describe(`what a container under ${name} sees`, () => {
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
    const secure = (security: Partial<SecurityContext>) => ({
      input: { security: { ...NO_SECURITY, ...security } },
    });

    it("is its own host name, processes and file systems", async () => {
      assert.equal(await output("hostname; echo $HOSTNAME; echo $$"), "testhost\ntesthost\n1\n");
      const mounts = await output("cat /proc/mounts; readlink /etc/mtab");
      assert.match(mounts, /^sysfs \/sys sysfs ro,/m);
      assert.match(mounts, /^tmpfs \/dev tmpfs rw,/m);
      assert.match(mounts, / \/sys\/fs\/cgroup[ /].*\bro,/m);
      assert.match(mounts, /^\/proc\/mounts$/m);
    });

    it("has the capabilities of the configuration, and those added and dropped", async () => {
      const bounding = (security: Partial<SecurityContext>) =>
        output("grep CapBnd /proc/self/status", secure(security)).then((line) =>
          BigInt(`0x${line.split("\t")[1]?.trim()}`)
        );
      const NET_ADMIN = 1n << 12n;
      const KILL = 1n << 5n;
      const usual = await bounding({});
      assert.equal(usual & NET_ADMIN, 0n);
      assert.notEqual(usual & KILL, 0n);
      assert.notEqual(await bounding({ addCapabilities: ["NET_ADMIN"] }) & NET_ADMIN, 0n);
      assert.equal(await bounding({ dropCapabilities: ["KILL"] }) & KILL, 0n);
      assert.equal(await bounding({ dropCapabilities: ["ALL"] }), 0n);
      const all = await bounding({ addCapabilities: ["ALL"] });
      assert.equal(await bounding({ privileged: true }), all);
      assert.notEqual(all & NET_ADMIN, 0n);
    });

    it("filters system calls by the built-in profile, and not at all when unconfined", async () => {
      const profile = (kind: "runtime_default" | "unconfined") =>
        secure({
          seccomp: { kind, localhostRef: "" },
          addCapabilities: ["SYS_ADMIN"],
        });
      const script = "grep Seccomp: /proc/self/status; unshare -m true && echo unshared";
      assert.equal(await output(script, profile("unconfined")), "Seccomp:\t0\nunshared\n");
      assert.equal(await output(script, profile("runtime_default")), "Seccomp:\t2\nunshared\n");
      const refused = await output(
        script,
        secure({ seccomp: { kind: "runtime_default", localhostRef: "" } }),
      );
      assert.match(refused, /^Seccomp:\t2\nunshare: .*not permitted/);
    });

    it("obeys a profile file that names no architecture, unless it is privileged", async () => {
      const file = join(place.directory, "profile.json");
      await writeFile(
        file,
        JSON.stringify({
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ names: ["chmod", "fchmodat"], action: "SCMP_ACT_ERRNO" }],
        }),
        { mode: 0o600 },
      );
      const seccomp = { kind: "localhost", localhostRef: file } as const;
      assert.match(await output("chmod 755 /tmp", secure({ seccomp })), /not permitted/);
      assert.equal(await output("chmod 755 /tmp", secure({ seccomp, privileged: true })), "");
      await assert.rejects(
        output("true", secure({ seccomp: { kind: "localhost", localhostRef: "/no/such" } })),
        /unable to load local profile "\/no\/such"/,
      );
    });

    it("is a user with a name, also when the image does not know it", async () => {
      const who = "id -u; id -g; id -G; id -un; id -gn; tail -1 /etc/passwd";
      const known = await output("id -un; id -G", secure({ runAsUsername: "app" }));
      assert.equal(known, "app\n1000 50000\n");
      const unknown = await output(who, secure({ runAsUser: 4321, runAsGroup: 8765 }));
      assert.equal(
        unknown,
        "4321\n8765\n8765\n4321\n8765\n4321:*:4321:8765:container user:/:/bin/sh\n",
      );
    });

    it("cannot gain privileges when that is asked for", async () => {
      const line = (noNewPrivs: boolean) =>
        output("grep NoNewPrivs /proc/self/status", secure({ noNewPrivs }));
      assert.equal(await line(true), "NoNewPrivs:\t1\n");
      assert.equal(await line(false), "NoNewPrivs:\t0\n");
    });

    it("has a read-only root, hidden and read-only paths when that is asked for", async () => {
      assert.match(
        await output("touch /file; touch /dev/shm || true", secure({ readonlyRootfs: true })),
        /\/file: Read-only file system/,
      );
      const text = await output(
        "cat /etc/group; touch /tmp/file",
        secure({ maskedPaths: ["/etc/group"], readonlyPaths: ["/tmp"] }),
      );
      assert.match(text, /^touch: \/tmp\/file: Read-only file system/m);
      assert.doesNotMatch(text, /root/);
    });

    it("has the directories and links of the host that are mounted", async () => {
      const host = join(place.directory, "host");
      await mkdir(host, { recursive: true });
      await writeFile(join(host, "file"), "content\n");
      const link = join(place.directory, `link-${name}`);
      await symlink(host, link);
      const mounts: MountRequest[] = [
        { ...MOUNT, containerPath: "/a/link", hostPath: link, readonly: true },
        { ...MOUNT, containerPath: "/a", hostPath: join(place.directory, `made-${name}`) },
      ];
      assert.equal(
        await output("cat /a/link/file; touch /a/link/x; touch /a/y", { input: { mounts } }),
        "content\ntouch: /a/link/x: Read-only file system\n",
      );
      assert.equal(Deno.statSync(join(place.directory, `made-${name}`, "y")).isFile, true);
    });

    it("cannot write below a recursively read-only mount", async () => {
      const host = join(place.directory, `rro-${name}`);
      await mkdir(join(host, "sub"), { recursive: true });
      await run("mount", ["-t", "tmpfs", "tmpfs", join(host, "sub")]);
      try {
        const mount = { ...MOUNT, hostPath: host, readonly: true };
        const script = "touch /mnt/sub/file && echo written";
        assert.equal(await output(script, { input: { mounts: [mount] } }), "written\n");
        assert.match(
          await output(script, { input: { mounts: [{ ...mount, recursiveReadonly: true }] } }),
          /Read-only file system/,
        );
      } finally {
        await run("umount", [join(host, "sub")]);
      }
    });

    it("shares mounts in the directions that are asked for", async () => {
      const host = join(place.directory, `shared-${name}`);
      await mkdir(join(host, "inner"), { recursive: true });
      await run("mount", ["--bind", host, host]);
      try {
        const mount = { ...MOUNT, hostPath: host, propagation: "bidirectional" } as const;
        const privileged = { ...NO_SECURITY, privileged: true };
        await assert.rejects(
          output("true", { input: { mounts: [mount], security: privileged } }),
          /path ".*" is mounted on ".*" but it is not a shared mount/,
        );
        await run("mount", ["--make-shared", host]);
        await output("mount -t tmpfs tmpfs /mnt/inner && touch /mnt/inner/from-inside", {
          input: { mounts: [mount], security: privileged },
        });
        assert.equal(Deno.statSync(join(host, "inner/from-inside")).isFile, true);
      } finally {
        await run("umount", ["-R", host]);
      }
    });

    it("has the host's devices when it is privileged, and those that are asked for", async () => {
      const list = (options: Partial<ContainerOptions>) => output("ls /dev", options);
      assert.doesNotMatch(await list({}), /^kmsg$/m);
      assert.match(await list(secure({ privileged: true })), /^kmsg$/m);
      const devices = [{ hostPath: "/dev/null", containerPath: "/dev/other", permissions: "rw" }];
      assert.equal(
        await output("echo x > /dev/other && cat /dev/other; stat -c %t:%T /dev/other", {
          input: { devices },
        }),
        "1:3\n",
      );
    });

    it("starts with limits that this host can give, whatever is asked for", async () => {
      const text = await output("ulimit -n; cat /proc/self/oom_score_adj", {
        defaults: { defaultUlimits: ["nofile=1000:999999999"] },
        input: {
          resources: { ...NO_RESOURCES, oomScoreAdj: -998 },
        },
      });
      const own = (await readFile("/proc/self/oom_score_adj", "utf8")).trim();
      const [files, score] = text.trim().split("\n");
      assert.equal(files, "1000");
      assert.ok(score === own || score === "-998");
    });

    it("runs as root of a user namespace with the ids that are mapped", async () => {
      const maps = { containerId: 0, hostId: 100000, size: 65536 };
      // The mapped root must reach and own what it is given.
      const rootfs = join(place.directory, `mapped-${name}`);
      await run("cp", ["-a", join(place.directory, "rootfs"), rootfs]);
      await run("chown", ["-R", "100000:100000", rootfs]);
      await chmod(place.directory, 0o711);
      const text = await output("cat /proc/self/uid_map; id -u; touch /tmp/in-userns; ls -n /tmp", {
        input: {
          rootfs,
          idMaps: { uids: [maps], gids: [maps] },
          namespaces: [{ type: "network" }, { type: "ipc" }, { type: "uts" }, { type: "user" }],
        },
      });
      assert.match(text, /^\s+0\s+100000\s+65536$/m);
      assert.match(text, /^0$/m);
      assert.match(text, / 0 +0 .* in-userns$/m);
      assert.equal(Deno.statSync(join(rootfs, "tmp/in-userns")).uid, 100000);
    });

    it("starts in a directory that is made, and has the image's volumes", async () => {
      const text = await output("pwd; ls -ld /data | cut -d' ' -f1", {
        input: {
          workingDir: "/made/for/it",
          image: { ...NO_IMAGE_CONFIG, workingDir: "/other", volumes: ["/data"] },
        },
      });
      assert.equal(text, "/made/for/it\ndrwxr-xr-x\n");
    });
  });
}
