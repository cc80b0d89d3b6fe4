import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import { fill, freeRange, parseIdMaps, subordinateIds } from "../../../src/pod/id_ranges.ts";
import { noSecurityContext } from "../../../src/pod/security_context.ts";
import {
  annotatedMaps,
  asksForMaps,
  type UserNamespaceOptions,
} from "../../../src/pod/user_namespace.ts";

const NO_OPTIONS: UserNamespaceOptions = { staticMaps: undefined, minimumUid: -1, minimumGid: -1 };
const RANGES = [{ start: 100_000, size: 200_000 }];
const map = (containerId: number, hostId: number, size: number) => ({ containerId, hostId, size });

describe("a user namespace that an annotation asks for", () => {
  const maps = (
    mode: string,
    user?: number,
    options = NO_OPTIONS,
    used: { uids: ReturnType<typeof map>[]; gids: ReturnType<typeof map>[] }[] = [],
  ) =>
    annotatedMaps(
      { "userns-mode.crio.io": mode },
      { ...noSecurityContext(), runAsUser: user },
      options,
      () => Promise.resolve({ uids: RANGES, gids: RANGES, used }),
    );

  it("gets ids that nobody has", async () => {
    assert.deepEqual((await maps("auto")).uids, [map(0, 100_000, 65_536)]);
    const first = { uids: [map(0, 100_000, 1000)], gids: [] };
    const second = await maps("auto:size=500", undefined, NO_OPTIONS, [first]);
    assert.deepEqual(second, { uids: [map(0, 101_000, 500)], gids: [map(0, 100_000, 500)] });
  });

  it("keeps the pod's user, or makes it root", async () => {
    assert.deepEqual((await maps("auto:size=2000;keep-id=true", 1000)).uids, [
      map(0, 100_000, 1000),
      map(1000, 1000, 1),
      map(1001, 101_000, 999),
    ]);
    assert.deepEqual((await maps("auto:size=10;map-to-root=true", 1000)).uids, [
      map(0, 1000, 1),
      map(1, 100_000, 9),
    ]);
  });

  it("has just the given maps when it is private", async () => {
    assert.deepEqual(
      await maps("private:uidmapping=1000:5:1,0:200000:1000;gidmapping=0:300000:1000"),
      { uids: [map(0, 200_000, 1000), map(1000, 5, 1)], gids: [map(0, 300_000, 1000)] },
    );
    const staticMaps = { uids: [map(0, 7, 8)], gids: [map(0, 9, 8)] };
    assert.equal(await maps("private", undefined, { ...NO_OPTIONS, staticMaps }), staticMaps);
  });

  it("is refused when it makes no sense", async () => {
    const bad: [string, RegExp][] = [
      ["host", /invalid userns mode: "host"/],
      ["auto:size=0", /invalid argument: "size=0"/],
      ["auto:colour=red", /invalid argument: "colour=red"/],
      ["auto:uidmapping=1:2", /invalid argument: "1:2"/],
      ["auto:keep-id=true;map-to-root=true", /cannot use both keep-id and map-to-root/],
      ["auto:keep-id=true", /no user to keep/],
      ["private", /give uidmapping and gidmapping, or use auto/],
      ["auto:size=9999999", /no 9999999 ids in a row are free/],
    ];
    for (const [mode, message] of bad) await assert.rejects(maps(mode), message);
    await assert.rejects(
      maps("private:uidmapping=0:5:1;gidmapping=0:5:1", undefined, {
        ...NO_OPTIONS,
        minimumUid: 1000,
      }),
      /host uid 5 is below minimum_mappable_uid 1000/,
    );
  });

  it("is asked for by either name", () => {
    assert.equal(asksForMaps({ "io.kubernetes.cri-o.userns-mode": "auto" }), true);
    assert.equal(asksForMaps({ "userns-mode.crio.io": "" }), false);
  });
});

describe("ranges of ids", () => {
  it("are read from /etc/subuid", () => {
    const text = "root:1:2\ncontainers:100:50\n\ncontainers:x:1\ncontainers:300:1\n";
    assert.deepEqual(subordinateIds(text, "containers"), [
      { start: 100, size: 50 },
      { start: 300, size: 1 },
    ]);
  });

  it("are found between those in use", () => {
    const used = [map(0, 150, 10), map(0, 100, 10), map(9, 1, 300), map(0, 400, 5)];
    assert.equal(freeRange([{ start: 100, size: 500 }], used, 50), 301);
    assert.equal(freeRange([{ start: 100, size: 500 }], used, 100), 405);
    assert.equal(freeRange([{ start: 100, size: 5 }, { start: 1000, size: 9 }], used, 9), 1000);
  });

  it("fill the gaps between what is given", () => {
    assert.deepEqual(fill([map(5, 1, 2), map(0, 9, 1)], 10, 100), [
      map(0, 9, 1),
      map(1, 100, 4),
      map(5, 1, 2),
      map(7, 104, 3),
    ]);
    assert.deepEqual(fill([map(20, 1, 1)], 10, 100), [map(0, 100, 10), map(20, 1, 1)]);
  });

  it("do not end beyond the last id", () => {
    assert.throws(() => parseIdMaps("0:4294967295:2"), /invalid argument/);
  });
});
