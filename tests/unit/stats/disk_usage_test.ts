import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { DiskUsage } from "../../../src/stats/disk_usage.ts";

describe("the disk usage of a tree", () => {
  let root: string;
  beforeEach(() => {
    root = Deno.makeTempDirSync({ prefix: "crid-du-" });
  });
  afterEach(() => Deno.removeSync(root, { recursive: true }));

  it("is what du counts: blocks, hard links once, links not followed", async () => {
    Deno.mkdirSync(`${root}/a/b`, { recursive: true });
    Deno.writeFileSync(`${root}/a/big`, new Uint8Array(300_000));
    Deno.writeFileSync(`${root}/a/b/small`, new Uint8Array(1));
    Deno.linkSync(`${root}/a/big`, `${root}/a/b/again`);
    Deno.symlinkSync("/usr", `${root}/a/usr`);
    Deno.truncateSync(await sparse(`${root}/sparse`), 1_000_000_000);
    const du = (...flags: string[]) =>
      Number(execFileSync("du", ["-s", ...flags, root], { encoding: "utf8" }).split("\t")[0]);
    const stats = await new DiskUsage().of(root);
    assert.equal(stats?.usedBytes, du("--block-size=1"));
    assert.equal(stats?.inodesUsed, du("--inodes"));
    assert.equal(stats?.mountpoint, root);
    assert.ok(stats.timestamp > 1_700_000_000_000_000_000n);
  });

  it("is counted once for all who ask within seconds", async () => {
    const disk = new DiskUsage();
    const [one, two] = await Promise.all([disk.of(root), disk.of(root)]);
    Deno.writeFileSync(`${root}/new`, new Uint8Array(100_000));
    assert.deepEqual(one, two);
    assert.deepEqual(await disk.of(root), one);
    assert.notDeepEqual(await new DiskUsage().of(root), one);
  });

  it("lets other work go on while a large tree is walked", async () => {
    for (let i = 0; i < 20; i++) {
      Deno.mkdirSync(`${root}/${i}`);
      for (let j = 0; j < 100; j++) Deno.writeTextFileSync(`${root}/${i}/${j}`, "");
    }
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const disk = new DiskUsage();
    let stats = await disk.of(root);
    // On a busy host the first answers come before the walk has ended.
    while (stats === undefined) stats = await disk.of(root);
    clearInterval(timer);
    assert.equal(stats.inodesUsed, 2_021);
    assert.ok(turns > 1, `the event loop turned ${turns} times`);
  });

  it("is unknown for a tree that is gone", async () => {
    assert.equal(await new DiskUsage().of(`${root}/gone`), undefined);
  });
});

async function sparse(path: string): Promise<string> {
  await Deno.writeTextFile(path, "");
  return path;
}
