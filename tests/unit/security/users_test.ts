import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "@std/path";
import { after, before, describe, it } from "@std/testing/bdd";
import { resolveUser, type UserRequest } from "../../../src/security/mod.ts";

const REQUEST: UserRequest = {
  runAsUser: undefined,
  runAsUsername: "",
  runAsGroup: undefined,
  supplementalGroups: [],
  supplementalGroupsPolicy: "merge",
  imageUser: "",
};

describe("the user of a container", () => {
  let rootfs: string;
  before(async () => {
    rootfs = await Deno.makeTempDir();
    await mkdir(join(rootfs, "etc"));
    await writeFile(
      join(rootfs, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34::/var/www:\n1000:x:77:78::/:\nuser:x:1000:1000::/:\n" +
        "garbage\n:x:5:5::/:\nbad:x:notanumber:1::/:\nhuge:x:99999999999:1::/:\n",
    );
    await writeFile(
      join(rootfs, "etc/group"),
      "root:x:0:\nwww:x:34:\nextra:x:50000:user, www\nother:x:60000:user\n",
    );
  });
  after(() => Deno.remove(rootfs, { recursive: true }));

  const resolve = (request: Partial<UserRequest>) => {
    const { uid, gid, additionalGids } = resolveUser(rootfs, { ...REQUEST, ...request });
    return [uid, gid, [...additionalGids]];
  };

  it("is root when nobody says another", () => {
    assert.deepEqual(resolve({}), [0, 0, [0]]);
  });

  it("is the image's, by name or number, with or without a group", () => {
    assert.deepEqual(resolve({ imageUser: "www" }), [33, 34, [34, 50000]]);
    assert.deepEqual(resolve({ imageUser: "www:other" }), [33, 60000, [60000, 50000]]);
    assert.deepEqual(resolve({ imageUser: "33:7" }), [33, 7, [7, 50000]]);
    assert.deepEqual(resolve({ imageUser: "4711" }), [4711, 0, [0]]);
  });

  it("is the client's over the image's", () => {
    assert.deepEqual(resolve({ imageUser: "www", runAsUser: 0 }), [0, 0, [0]]);
    assert.deepEqual(resolve({ imageUser: "root", runAsUsername: "www" }), [33, 34, [34, 50000]]);
    assert.deepEqual(resolve({ runAsUser: 33, runAsGroup: 9 }), [33, 9, [9, 50000]]);
  });

  it("has the image's groups only when they are merged", () => {
    const user = { runAsUser: 33, supplementalGroups: [1, 34, 1] };
    assert.deepEqual(resolve(user), [33, 34, [34, 50000, 1]]);
    assert.deepEqual(
      resolve({ ...user, supplementalGroupsPolicy: "strict" }),
      [33, 34, [34, 1]],
    );
  });

  it("needs a user for its group, and names that the image knows", () => {
    assert.throws(
      () => resolve({ runAsGroup: 5, imageUser: "www" }),
      /user group is specified without user or username/,
    );
    assert.throws(() => resolve({ runAsUsername: "nobody" }), /user "nobody" is not in the image/);
    assert.throws(() => resolve({ imageUser: "www:wheel" }), /group "wheel" is not in the image/);
    assert.throws(() => resolve({ imageUser: "huge" }), /is not in the image/);
  });

  it("is looked up in the image alone, wherever its links point, and never in a device", async () => {
    const hostile = await Deno.makeTempDir();
    const outside = await Deno.makeTempDir();
    try {
      await writeFile(join(outside, "passwd"), "leaked:x:4242:4242::/:\n");
      await symlink(outside, join(hostile, "etc"));
      assert.throws(() => resolveUser(hostile, { ...REQUEST, imageUser: "leaked" }), /not in the/);
      await Deno.remove(join(hostile, "etc"));
      await mkdir(join(hostile, "etc"));
      await symlink("/dev/zero", join(hostile, "etc/passwd"));
      assert.throws(() => resolveUser(hostile, { ...REQUEST, imageUser: "leaked" }), /not in the/);
      await Deno.remove(join(hostile, "etc/passwd"));
      await mkdir(join(hostile, "etc/passwd"));
      assert.throws(() => resolveUser(hostile, { ...REQUEST, imageUser: "root" }), /regular file/);
    } finally {
      for (const each of [hostile, outside]) await Deno.remove(each, { recursive: true });
    }
  });
});
