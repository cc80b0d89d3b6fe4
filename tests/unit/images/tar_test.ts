import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { run } from "../../../src/linux/mod.ts";
import { dir, file, hardlink, symlink, tar, type TarEntry, withParents } from "../../images/mod.ts";

/** What GNU tar reads from an archive. */
async function listed(entries: readonly TarEntry[]): Promise<string> {
  const directory = await Deno.makeTempDir();
  try {
    const path = join(directory, "test.tar");
    await Deno.writeFile(path, tar(entries));
    const { code, stdout, stderr } = await run("tar", ["--numeric-owner", "-tvPf", path]);
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

describe("the tar writer of test images", () => {
  it("writes kinds, modes, owners and targets as GNU tar reads them", async () => {
    const text = await listed([
      dir("d", { mode: 0o1777 }),
      file("d/f", "12345", { mode: 0o4755, uid: 12, gid: 34 }),
      hardlink("d/h", "d/f"),
      symlink("d/s", "/f"),
      { path: "d/c", type: "char", device: [1, 3], mode: 0o666 },
    ]);
    const lines = text.trimEnd().split("\n").map((line) =>
      line.replace(/ \d{4}-\d\d-\d\d \S+/, "")
    );
    assert.deepEqual(lines.map((line) => line.replace(/ +/g, " ")), [
      "drwxrwxrwt 0/0 0 d/",
      "-rwsr-xr-x 12/34 5 d/f",
      "hrw-r--r-- 0/0 0 d/h link to d/f",
      "lrwxrwxrwx 0/0 0 d/s -> /f",
      "crw-rw-rw- 0/0 1,3 d/c",
    ]);
  });

  it("writes names that fit no header, and hostile ones as they are", async () => {
    const long = `${"x".repeat(99)}/${"y".repeat(200)}`;
    const text = await listed([file(long), symlink("s", `/${long}`), file("../../escape")]);
    assert.ok(text.includes(` ${long}\n`));
    assert.ok(text.includes(`s -> /${long}\n`));
    assert.ok(text.includes(" ../../escape\n"));
  });

  it("gives the same bytes for the same entries", () => {
    const entries = withParents([file("a/b/c", "text", { xattrs: { "user.k": "v" } })]);
    assert.deepEqual(tar(entries), tar(entries));
    assert.deepEqual(entries.map(({ path }) => path), ["a", "a/b", "a/b/c"]);
  });
});
