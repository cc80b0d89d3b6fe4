import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import { lastMessage } from "../../../src/oci/command.ts";
import { NO_IMAGE_CONFIG, NO_RESOURCES } from "../../../src/oci/empty.ts";
import { parseExitCode } from "../../../src/oci/exit_record.ts";
import { parseFeatures } from "../../../src/oci/features.ts";
import { parseDevice } from "../../../src/oci/spec/devices.ts";
import { parseUlimit } from "../../../src/oci/spec/limits.ts";
import { commandLine, environment } from "../../../src/oci/spec/process.ts";
import { mountPropagation } from "../../../src/oci/spec/propagation.ts";
import { ociResources } from "../../../src/oci/spec/resources.ts";
import { specVersion } from "../../../src/oci/spec/version.ts";
import { parseSync } from "../../../src/oci/sync_pipe.ts";
import { parseMountInfo } from "../../../src/linux/mod.ts";

const IMAGE = { ...NO_IMAGE_CONFIG, entrypoint: ["entry"], cmd: ["cmd"] };

describe("the command line of a container", () => {
  it("is the image's, with the arguments or all of it replaced", () => {
    const line = (command: string[], args: string[]) =>
      commandLine({ command, args, image: IMAGE });
    assert.deepEqual(line([], []), ["entry", "cmd"]);
    assert.deepEqual(line([], ["a"]), ["entry", "a"]);
    assert.deepEqual(line(["c"], []), ["c"]);
    assert.deepEqual(line(["c"], ["a"]), ["c", "a"]);
    const empty = { ...IMAGE, entrypoint: [], cmd: [] };
    assert.throws(
      () => commandLine({ command: [], args: [], image: empty }),
      /no command specified/,
    );
  });
});

describe("the environment of a container", () => {
  const build = (env: [string, string][], image: string[], defaults: string[], tty = false) =>
    environment({ env, image: { ...IMAGE, env: image }, hostname: "host", tty }, defaults);

  it("takes each variable from the last who sets it", () => {
    const environment = build([["A", "cri"]], ["A=image", "B=image"], ["A=d", "B=d", "C=d=e"]);
    assert.deepEqual(
      new Set(environment.slice(1)),
      new Set(["A=cri", "B=image", "C=d=e", "HOSTNAME=host"]),
    );
    assert.match(environment[0]!, /^PATH=.*\/bin/);
  });

  it("has TERM only with a terminal, and no empty names", () => {
    assert.equal(build([["", "x"]], ["=y"], []).some((each) => each.startsWith("=")), false);
    assert.equal(build([], [], []).includes("TERM=xterm"), false);
    assert.equal(build([], [], [], true).includes("TERM=xterm"), true);
  });

  it("refuses what would break /etc/passwd or the process", () => {
    assert.throws(() => build([["HOME", "/a\nroot::0:0"]], [], []), /newline not allowed/);
    assert.throws(() => build([["A", "b\0c"]], [], []), /NUL/);
  });
});

describe("what monitors and runtimes say", () => {
  it("is read leniently from the sync pipe", () => {
    assert.deepEqual(parseSync('{"pid": 12}'), { pid: 12, message: "" });
    assert.deepEqual(parseSync('{"pid": -1, "message": "a\tb"}'), { pid: -1, message: "a b" });
    assert.deepEqual(parseSync('{"data": 12}').pid, -1);
    assert.throws(() => parseSync(""), /without an answer/);
    assert.throws(() => parseSync("oops"), /no JSON: oops/);
  });

  it("is the last message of a log, without its frame", () => {
    assert.equal(lastMessage('x\ntime="t" level=error msg="a \\"b\\""\n'), 'a "b"');
    assert.equal(lastMessage("first\nlast line\n\n"), "last line");
    assert.equal(lastMessage('level=error msg="bad \\x1b escape"'), "bad \\x1b escape");
    assert.equal(lastMessage(""), "");
  });

  it("is an exit code, or unknown", () => {
    assert.deepEqual(["0", "137", "-1", "", "x", "256"].map(parseExitCode), [
      0,
      137,
      -1,
      -1,
      -1,
      -1,
    ]);
  });

  it("tells features, or is trusted with what all of them do", () => {
    const crun = parseFeatures("", "crun version 1.8.1\nspec: 1.0.0\n", "6.1.0-13-amd64");
    assert.deepEqual(crun, {
      ociVersion: "1.0.0",
      recursiveReadonlyMounts: true,
      idmapMounts: false,
      userNamespaces: true,
      logsApart: false,
    });
    assert.equal(parseFeatures("", "", "5.4.0").recursiveReadonlyMounts, false);
    const answer = JSON.stringify({
      ociVersionMin: "1.0.0",
      ociVersionMax: "1.2.0",
      mountOptions: ["ro", "rro"],
      linux: { namespaces: ["pid"], mountExtensions: { idmap: { enabled: true } } },
    });
    assert.deepEqual(parseFeatures(answer, "runc version 1.2.0\n", "6.1.0"), {
      ociVersion: "1.2.0",
      recursiveReadonlyMounts: true,
      idmapMounts: true,
      userNamespaces: false,
      logsApart: true,
    });
  });

  it("decides the version of a spec", () => {
    assert.deepEqual(["1.0.2-dev", "1.0.0", "1.3.0", "2.0.0", ""].map(specVersion), [
      "1.0.2",
      "1.0.0",
      "1.2.0",
      "1.2.0",
      "1.0.0",
    ]);
  });
});

describe("limits and devices", () => {
  it("mention only what was asked for; swap follows memory", () => {
    assert.deepEqual(ociResources(NO_RESOURCES), {});
    assert.deepEqual(ociResources({ ...NO_RESOURCES, memoryLimit: 5 }), {
      memory: { limit: 5, swap: 5 },
    });
    assert.deepEqual(ociResources({ ...NO_RESOURCES, memoryLimit: 5 }, "none"), {
      memory: { limit: 5 },
    });
    assert.deepEqual(ociResources({ ...NO_RESOURCES, memoryLimit: 5, memorySwapLimit: -1 }), {
      memory: { limit: 5, swap: -1 },
    });
    assert.deepEqual(ociResources({ ...NO_RESOURCES, memoryLimit: 5 }, "systemd"), {
      memory: { limit: 5, swap: 5 },
      unified: { "memory.swap.max": "0" },
    });
    const limited = { ...NO_RESOURCES, memoryLimit: 5, memorySwapLimit: 7 };
    assert.deepEqual(ociResources(limited, "systemd"), { memory: { limit: 5, swap: 7 } });
    const asked = { ...NO_RESOURCES, memoryLimit: 5, unified: { "memory.swap.max": "9" } };
    assert.deepEqual(ociResources(asked, "systemd").unified, asked.unified);
    assert.deepEqual(ociResources({ ...NO_RESOURCES, cpuQuota: -1, cpusetCpus: "0-1" }), {
      cpu: { quota: -1, cpus: "0-1" },
    });
  });

  it("are read from their short forms", () => {
    assert.deepEqual(parseUlimit("nofile=1:2"), {
      name: "RLIMIT_NOFILE",
      limit: { soft: 1n, hard: 2n },
    });
    assert.equal(parseUlimit("core=-1").limit.hard, 0xffff_ffff_ffff_ffffn);
    for (const bad of ["nofile", "fly=1", "nofile=1:2:3", "nofile=-2"]) {
      assert.throws(() => parseUlimit(bad), /not name=soft:hard/);
    }
    assert.deepEqual(parseDevice("/dev/a:/dev/b:r"), {
      hostPath: "/dev/a",
      containerPath: "/dev/b",
      permissions: "r",
    });
    assert.deepEqual(parseDevice("/dev/a:rw").containerPath, "/dev/a");
    assert.deepEqual(parseDevice("/dev/a").permissions, "rwm");
    for (const bad of ["", "/dev/a:b", "/dev/a:/dev/b:x"]) assert.throws(() => parseDevice(bad));
  });
});

describe("the propagation of a mount", () => {
  const table = parseMountInfo([
    "1 0 8:1 / / rw - ext4 /dev/a rw",
    "2 1 8:1 / /shared rw shared:1 - ext4 /dev/a rw",
    "3 1 8:1 / /slave rw master:1 - ext4 /dev/a rw",
    "4 2 8:1 / /shared/private rw - ext4 /dev/a rw",
  ].join("\n"));
  const decide = (
    propagation: "private" | "host_to_container" | "bidirectional",
    source: string,
    storage = "/elsewhere",
  ) => mountPropagation({ propagation }, source, table, storage);

  it("is private unless something else is asked for", () => {
    assert.deepEqual(decide("private", "/shared/x"), { option: "rprivate", rootfs: undefined });
  });

  it("needs a host mount that can", () => {
    assert.deepEqual(decide("bidirectional", "/shared/x"), {
      option: "rshared",
      rootfs: "rshared",
    });
    assert.deepEqual(decide("host_to_container", "/slave"), { option: "rslave", rootfs: "rslave" });
    assert.throws(
      () => decide("bidirectional", "/slave/x"),
      /path "\/slave\/x" is mounted on "\/slave" but it is not a shared mount/,
    );
    assert.throws(() => decide("host_to_container", "/shared/private/x"), /not a shared or slave/);
    assert.throws(() => decide("host_to_container", "/sharedother"), /mounted on "\/"/);
  });

  it("lets the store's mounts go where a private copy would hold them", () => {
    assert.equal(decide("private", "/shared", "/shared/storage").option, "rslave");
    assert.equal(decide("private", "/", "/shared/storage").option, "rprivate");
  });
});
