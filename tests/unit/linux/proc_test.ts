import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import process from "node:process";
import {
  capabilities,
  deviceNumber,
  deviceParts,
  getRlimit,
  parseMountInfo,
  parseProcessStat,
  processStat,
  RLIM_INFINITY,
} from "../../../src/linux/mod.ts";

describe("/proc/<pid>/stat", () => {
  it("is read behind the last parenthesis of the command's name", () => {
    const fields = Array.from({ length: 50 }, (_, i) => String(i + 3)).slice(1);
    const stat = parseProcessStat(`42 (a) b (c) Z ${fields.join(" ")}\n`);
    assert.equal(stat.pid, 42);
    assert.equal(stat.command, "a) b (c");
    assert.equal(stat.state, "Z");
    assert.equal(stat.parent, 4);
    assert.equal(stat.startTime, 22);
  });

  it("tells this process's state and start, and nothing of one that is not there", () => {
    const stat = processStat(process.pid)!;
    assert.match(stat.state, /^[RS]$/);
    assert.ok(stat.startTime > 0);
    assert.equal(processStat(0x3fffff), undefined);
  });
});

describe("mountinfo", () => {
  it("is read with optional fields and escaped characters", () => {
    const [mount] = parseMountInfo(
      "36 35 98:0 /mnt1 /mnt\\0402\\134 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n",
    );
    assert.deepEqual(mount, {
      id: 36,
      parent: 35,
      device: "98:0",
      root: "/mnt1",
      mountPoint: "/mnt 2\\",
      options: ["rw", "noatime"],
      propagation: ["master:1", "shared:2"],
      type: "ext3",
      source: "/dev/root",
      superOptions: ["rw", "errors=continue"],
    });
  });

  it("is read without optional fields", () => {
    const [mount] = parseMountInfo("1 0 0:2 / / rw - tmpfs none rw\n");
    assert.deepEqual(mount?.propagation, []);
    assert.equal(mount?.type, "tmpfs");
  });
});

describe("device numbers", () => {
  it("are packed and taken apart again as the C library does it", () => {
    assert.equal(deviceNumber(1, 3), 0x103n);
    assert.equal(deviceNumber(259, 0x12345), 0x1231_0345n);
    for (const [major, minor] of [[0, 0], [8, 1], [259, 1048575], [4095, 256], [0xfffff, 0]]) {
      assert.deepEqual(deviceParts(deviceNumber(major!, minor!)), { major, minor });
    }
  });
});

describe("limits and capabilities", () => {
  it("reads a limit", () => {
    const { soft, hard } = getRlimit("RLIMIT_CORE");
    assert.ok(soft <= hard && hard <= RLIM_INFINITY);
  });

  it("names the capabilities of the bounding set", () => {
    const bounding = capabilities();
    assert.ok(bounding.has("CAP_CHOWN"));
    for (const name of bounding) assert.match(name, /^CAP_[A-Z_]+$/);
  });
});
