import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { lsetxattr, mount, umount, walkTree } from "../../../src/linux/mod.ts";
import {
  fileLabel,
  relabel,
  relabelUnlessLabelled,
  type SelinuxPolicy,
} from "../../../src/security/mod.ts";

const LABEL = "system_u:object_r:container_file_t:s0:c1,c2";
const OTHER = "system_u:object_r:etc_t:s0";

// The kernel keeps the attribute also where it runs no SELinux.
describe("relabeling a volume", () => {
  let directory: string;
  let volume: string;
  beforeEach(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-relabel-" });
    volume = join(directory, "volume");
    await Deno.mkdir(join(volume, "deep", "deeper"), { recursive: true });
    await Deno.writeTextFile(join(volume, "deep", "deeper", "file"), "");
  });
  afterEach(() => Deno.remove(directory, { recursive: true }));

  it("labels it and everything below, whatever it is and is called", async () => {
    const odd = join(volume, "deep", "wörd\n");
    await Deno.writeTextFile(odd, "");
    await new Deno.Command("mkfifo", { args: [join(volume, "fifo")] }).output();
    await new Deno.Command("sh", { args: ["-c", `touch "$(printf '${volume}/\\377')"`] }).output();
    await relabel(volume, LABEL);
    const seen: string[] = [];
    await walkTree(volume, (entry) => seen.push(fileLabel(entry)));
    assert.deepEqual(seen, Array(7).fill(LABEL));
    assert.equal(fileLabel(odd), LABEL);
  });

  it("labels one file", async () => {
    const file = join(volume, "deep", "deeper", "file");
    await relabel(file, LABEL);
    assert.equal(fileLabel(file), LABEL);
    assert.equal(fileLabel(volume), "");
  });

  it("labels links and not what they lead to", async () => {
    const outside = join(directory, "outside");
    await Deno.mkdir(outside);
    await Deno.writeTextFile(join(outside, "file"), "");
    await Deno.symlink(outside, join(volume, "link"));
    await relabel(volume, LABEL);
    assert.equal(fileLabel(join(volume, "link")), LABEL);
    assert.equal(fileLabel(outside), "");
    assert.equal(fileLabel(join(outside, "file")), "");
  });

  it("is not led outside by a directory that becomes a link meanwhile", async () => {
    const outside = join(directory, "outside");
    await Deno.mkdir(join(outside, "deeper"), { recursive: true });
    await Deno.writeTextFile(join(outside, "deeper", "file"), "");
    let exchanged = false;
    await walkTree(volume, (entry) => {
      lsetxattr(entry, "security.selinux", LABEL);
      if (exchanged) return;
      exchanged = true;
      // The walk is in deep/deeper now.
      Deno.renameSync(join(volume, "deep"), join(directory, "moved"));
      Deno.symlinkSync(outside, join(volume, "deep"));
    });
    assert.equal(fileLabel(join(outside, "deeper", "file")), "");
    assert.equal(fileLabel(join(outside, "deeper")), "");
    assert.equal(fileLabel(join(volume, "deep")), LABEL);
  });

  it("leaves what has the label already as it is", async () => {
    const file = join(volume, "deep", "deeper", "file");
    await relabel(volume, LABEL);
    const { ctime } = await Deno.lstat(file);
    await relabel(volume, LABEL);
    assert.deepEqual((await Deno.lstat(file)).ctime, ctime);
    await relabel(volume, OTHER);
    assert.equal(fileLabel(file), OTHER);
  });

  it("is skipped for a tree whose top has the label, if that is wanted", async () => {
    const kernel = join(directory, "selinuxfs");
    await Deno.mkdir(kernel);
    await Deno.writeTextFile(join(kernel, "context"), "");
    const policy: SelinuxPolicy = {
      ...{ kernel, process: "", file: "", readOnlyFile: "", init: "" },
    };
    const file = join(volume, "deep", "deeper", "file");
    await relabelUnlessLabelled(policy, volume, LABEL);
    assert.equal(fileLabel(file), LABEL);
    lsetxattr(file, "security.selinux", OTHER);
    await relabelUnlessLabelled(policy, volume, LABEL);
    assert.equal(fileLabel(file), OTHER);
  });

  it("is refused for directories that the host needs", async () => {
    for (const path of ["/", "/etc", "/usr", "/var/lib", "/home", "/tmp"]) {
      await assert.rejects(relabel(path, LABEL), {
        code: "invalid_argument",
        message: new RegExp(`^SELinux relabeling of ${path} is not allowed`),
      });
    }
  });

  it("leaves a file system without labels as it is", async () => {
    const place = join(directory, "proc");
    await Deno.mkdir(place);
    mount("proc", place, "proc", 0, "");
    try {
      await relabel(join(place, "sys/kernel/hostname"), LABEL);
    } finally {
      umount(place, 0);
    }
  });

  it("fails with the path where nothing can be written", async () => {
    const place = join(directory, "readonly");
    await Deno.mkdir(place);
    mount("tmpfs", place, "tmpfs", 1, "");
    try {
      await assert.rejects(relabel(place, LABEL), {
        message: new RegExp(`^relabel failed ${place}: .*Read-only`),
      });
    } finally {
      umount(place, 0);
    }
  });
});
