import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { type UnpackedLayer, unpackLayer } from "../../../src/storage/mod.ts";
import { lgetxattr, open, OpenFlag } from "../../../src/linux/mod.ts";
import { Crc64 } from "../../../src/storage/unpack/crc64.ts";
import { Extractor } from "../../../src/storage/unpack/extractor.ts";
import { parseHeader } from "../../../src/storage/unpack/tar_header.ts";
import { entry, pax, tarOf } from "./tar_bytes.ts";

const NO_LIMITS = { maxSize: 1e12, maxEntries: 1e9 };
let directory: string;

function paths() {
  return { diff: join(directory, "diff"), tarSplit: join(directory, "split.gz") };
}

async function unpack(
  blob: Uint8Array,
  { limits = NO_LIMITS, piece = 64 * 1024 } = {},
): Promise<UnpackedLayer> {
  await Deno.mkdir(paths().diff, { recursive: true });
  async function* pieces() {
    for (let at = 0; at < blob.length; at += piece) yield blob.subarray(at, at + piece);
  }
  return await unpackLayer(pieces(), paths(), limits, new AbortController().signal);
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Puts the archive together again as podman does: from the tar-split data and the tree. */
async function reassembled(): Promise<Uint8Array> {
  const text = gunzipSync(await Deno.readFile(paths().tarSplit)).toString();
  const parts: Uint8Array[] = [];
  for (const [position, line] of text.trimEnd().split("\n").entries()) {
    const record = JSON.parse(line);
    assert.equal(record.position, position);
    if (record.type === 2) parts.push(Buffer.from(record.payload, "base64"));
    else if (record.size > 0) {
      const name = record.name ?? Buffer.from(record.name_raw, "base64").toString("latin1");
      const content = await Deno.readFile(join(paths().diff, name));
      const crc = new Crc64();
      crc.update(content);
      assert.equal(record.payload, crc.finish(), `checksum of ${name}`);
      parts.push(content);
    } else assert.equal(record.payload, null);
  }
  return Buffer.concat(parts);
}

async function gnuTar(args: string[], setUp: string): Promise<Uint8Array> {
  const source = join(directory, "source");
  await Deno.mkdir(source);
  const script = `set -e; cd ${source}; ${setUp}; exec tar -c ${args.join(" ")} .`;
  const { stdout, stderr, success } = await new Deno.Command("sh", { args: ["-c", script] })
    .output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return stdout;
}

const TREE =
  `mkdir -p a/b 'with space'; echo hello > a/file; ln a/file a/hard; ln -s /etc/passwd a/link
  head -c 100000 /dev/urandom > a/b/data; chown 1000:1001 a/file; chmod 4755 a/file; mkfifo pipe
  mknod null c 1 3; touch -d '2001-02-03 04:05:06.789' a/b/data; touch empty
  long=$(printf 'x%.0s' $(seq 150)); echo long > "a/$long"; echo n > "$(printf 'a\\nb')"
  setfattr -n user.foo -v bar a/file 2>/dev/null || python3 -c 'import os; os.setxattr("a/file", "user.foo", b"bar")'
  chmod 1777 'with space'; touch -d 2002-01-01 a; chmod 2755 a/b`;

describe("unpacking a layer", () => {
  beforeEach(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-unpack-" });
  });
  afterEach(async () => {
    await Deno.remove(directory, { recursive: true });
  });

  for (const format of ["pax", "gnu", "posix", "ustar"]) {
    it(`restores the tree of a ${format} archive, and the archive from it to the byte`, async () => {
      const isPax = format === "pax" || format === "posix";
      const setUp = format === "ustar" ? TREE.replace("seq 150", "seq 90") : TREE;
      const tar = await gnuTar([`--format=${format}`, ...(isPax ? ["--xattrs"] : [])], setUp);
      const result = await unpack(gzipSync(tar), { piece: 1000 });
      assert.equal(result.diffDigest, sha256(tar));
      assert.equal(result.diffSize, tar.length);
      assert.equal(result.compression, "gzip");
      assert.deepEqual(result.uids, [0, 1000]);
      assert.deepEqual(result.gids, [0, 1001]);
      assert.equal(sha256(await reassembled()), result.diffDigest);

      const at = (path: string) => Deno.lstatSync(join(paths().diff, path));
      assert.equal(at("a/file").mode! & 0o7777, 0o4755, "set-id bits survive the chown");
      assert.equal(at("a/file").uid, 1000);
      assert.equal(at("a/file").ino, at("a/hard").ino);
      assert.equal(at("with space").mode! & 0o7777, 0o1777);
      assert.equal(at("a/b").mode! & 0o7777, 0o2755);
      assert.equal(at("a").mtime!.getFullYear(), 2002);
      assert.equal(Deno.readLinkSync(join(paths().diff, "a/link")), "/etc/passwd");
      assert.ok(at("pipe").isFifo);
      assert.ok(at("null").isCharDevice);
      if (isPax) {
        assert.equal(at("a/b/data").mtime!.getMilliseconds(), 789);
        const foo = lgetxattr(join(paths().diff, "a/file"), "user.foo");
        assert.equal(new TextDecoder().decode(foo), "bar");
      }
    });
  }

  it("reads plain, gzip of several members, and zstd of several frames, whatever the sizes of the pieces", async () => {
    const tar = tarOf(entry("f", "x".repeat(3000)), entry("d/", ""), entry("d/g", "y"));
    const half = tar.length >> 1;
    const blobs = {
      none: tar,
      gzip: Buffer.concat([gzipSync(tar.subarray(0, half)), gzipSync(tar.subarray(half))]),
      zstd: Buffer.concat([
        zstdCompressSync(tar.subarray(0, half)),
        zstdCompressSync(tar.subarray(half)),
      ]),
    };
    for (const [compression, blob] of Object.entries(blobs)) {
      for (const piece of [1, 511, 100_000]) {
        const result = await unpack(blob, { piece });
        assert.equal(result.compression, compression);
        assert.equal(result.diffDigest, sha256(tar));
        assert.equal(result.compressedDigest, sha256(blob));
        assert.equal(result.compressedSize, blob.length);
        assert.equal(Deno.readTextFileSync(join(paths().diff, "d/g")), "y");
        await Deno.remove(paths().diff, { recursive: true });
      }
    }
  });

  it("keeps names with every kind of byte, for the archive too", async () => {
    const names = ['"quoted\\"', "tab\t\x01\x7f", "\xc3\xa4 is UTF-8", "\xe4 is not"];
    const tar = tarOf(...names.map((name) => entry(name, name)));
    await unpack(tar);
    const records = gunzipSync(await Deno.readFile(paths().tarSplit)).toString().trimEnd()
      .split("\n").map((line) => JSON.parse(line)).filter(({ type }) => type === 1);
    const bytes = records.map((record) =>
      record.name === undefined
        ? Buffer.from(record.name_raw, "base64").toString("latin1")
        : Buffer.from(record.name).toString("latin1")
    );
    assert.deepEqual(bytes, names);
    assert.deepEqual(records.map(({ name }) => name !== undefined), [true, true, true, false]);
  });

  it("takes a header whose sum is of signed characters, as old programs made it", async () => {
    const tar = Buffer.from(tarOf(entry("\xe4\xf6", "x")));
    const sum = parseInt(tar.toString("latin1", 148, 155), 8) - 2 * 0x100;
    tar.write(sum.toString(8).padStart(6, "0"), 148);
    await unpack(tar);
    tar.write((sum + 0x100).toString(8).padStart(6, "0"), 148);
    await Deno.remove(paths().diff, { recursive: true });
    await assert.rejects(unpack(tar), /checksum/);
  });

  it("turns whiteouts into devices and opaque directories into an attribute", async () => {
    await unpack(tarOf(
      entry("gone/", ""),
      entry("gone/.wh.file", "", { uid: 7 }),
      entry("opq/", ""),
      entry("opq/.wh..wh..opq", ""),
      entry(".wh..wh.plnk", ""),
      entry("file", "x"),
      entry("file/.wh.below", ""),
    ));
    const whiteout = Deno.lstatSync(join(paths().diff, "gone/file"));
    assert.ok(whiteout.isCharDevice);
    assert.equal(whiteout.rdev, 0);
    assert.equal(whiteout.uid, 7);
    const opaque = lgetxattr(join(paths().diff, "opq"), "trusted.overlay.opaque");
    assert.equal(new TextDecoder().decode(opaque), "y");
    const names = Array.from(Deno.readDirSync(paths().diff), ({ name }) => name).sort();
    assert.deepEqual(names, ["file", "gone", "opq"]);
  });

  it("makes parents that no entry describes for root, and leaves the root as it is", async () => {
    await Deno.mkdir(paths().diff, { mode: 0o700 });
    await unpack(tarOf(entry("./", "", { mode: 0o777 }), entry("home/me/f", "", { uid: 1000 })));
    const home = Deno.lstatSync(join(paths().diff, "home"));
    assert.equal(home.mode! & 0o7777, 0o755);
    assert.equal(home.uid, 0);
    assert.equal(Deno.lstatSync(paths().diff).mode! & 0o7777, 0o700);
  });

  it("resolves links inside the layer, as after a chroot", async () => {
    const outside = join(directory, "outside");
    await Deno.mkdir(outside);
    await unpack(tarOf(
      entry("etc/", ""),
      entry("abs", "", { type: "2", link: "/etc" }),
      entry("up", "", { type: "2", link: "../../../../etc" }),
      entry("abs/one", "1"),
      entry("up/two", "2"),
    ));
    const names = Array.from(Deno.readDirSync(join(paths().diff, "etc")), ({ name }) => name);
    assert.deepEqual(names.sort(), ["one", "two"]);
    await assert.rejects(
      unpack(tarOf(entry("esc", "", { type: "2", link: outside }), entry("esc/f", "x"))),
      { code: "invalid_argument" },
    );
    assert.deepEqual(Array.from(Deno.readDirSync(outside)), []);
  });

  it("keeps names that are not UTF-8, and reads an empty blob as an empty layer", async () => {
    const tar = tarOf(entry("caf\xe9", "x"));
    const result = await unpack(tar);
    assert.equal(sha256(await reassembledRaw()), result.diffDigest);
    await Deno.remove(paths().diff, { recursive: true });
    const empty = await unpack(new Uint8Array());
    assert.equal(empty.diffSize, 0);
  });

  /** As {@linkcode reassembled}, for one file with a name that Deno cannot open. */
  async function reassembledRaw(): Promise<Uint8Array> {
    const lines = gunzipSync(await Deno.readFile(paths().tarSplit)).toString().trimEnd();
    const parts = lines.split("\n").map((line) => JSON.parse(line)).map((record) =>
      record.type === 2 ? Buffer.from(record.payload, "base64") : Buffer.from("x")
    );
    return Buffer.concat(parts);
  }

  it("sets the attributes of files whatever bytes their names have", async () => {
    const attributes = pax({ "SCHILY.xattr.trusted.a": "b" });
    const names = ["caf\xc3\xa9", "caf\xe9", "caf\xc3\xa9.d/"];
    await unpack(tarOf(...names.flatMap((name) => [attributes, entry(name, "")])));
    for (const name of names) {
      const path = Buffer.from(`${paths().diff}/${name}`, "latin1");
      assert.equal(Buffer.from(lgetxattr(path, "trusted.a") ?? []).toString(), "b", name);
    }
  });

  it("reads headers as podman does: global ones say nothing, and no value means the plain one", async () => {
    const global = entry("g", "15 path=global\n10 uid=7\n", { type: "g" });
    await unpack(tarOf(global, pax({ path: "", uid: "" }), entry("f", "x", { uid: 5 })));
    assert.equal(Deno.lstatSync(join(paths().diff, "f")).uid, 5);
  });

  it("takes a file for a directory by its slash only where the header tells no kind", async () => {
    await unpack(tarOf(
      entry("old/", "", { type: "\0" }),
      pax({ path: "older/" }),
      entry("x", "", { type: "\0" }),
      entry("file/", "content", { type: "0" }),
    ));
    const at = (path: string) => Deno.lstatSync(join(paths().diff, path));
    assert.ok(at("old").isDirectory && at("older").isDirectory);
    assert.equal(Deno.readTextFileSync(join(paths().diff, "file")), "content");
  });

  it("does not set attributes by which overlay finds its layers", async () => {
    const attributes = pax({ "SCHILY.xattr.trusted.overlay.redirect": "/etc" });
    await unpack(tarOf(attributes, entry("f", "x")));
    assert.equal(lgetxattr(join(paths().diff, "f"), "trusted.overlay.redirect"), undefined);
  });

  const tar = () => tarOf(entry("f", "x".repeat(5000)));
  const hostile: readonly (readonly [string, () => Uint8Array, RegExp])[] = [
    ["a path that leaves the layer", () => tarOf(entry("a/../../x", "")), /leaves the layer/],
    [
      "a hard link to what is outside",
      () => tarOf(entry("h", "", { type: "1", link: "../../etc/passwd" })),
      /leaves the layer/,
    ],
    [
      "a hard link to what is not there",
      () => tarOf(entry("h", "", { type: "1", link: "nowhere" })),
      /not in the layer/,
    ],
    [
      "a hard link through a symbolic link to outside",
      () =>
        tarOf(
          entry("l", "", { type: "2", link: "/etc" }),
          entry("h", "", { type: "1", link: "l/passwd" }),
        ),
      /not in the layer/,
    ],
    ["the same path twice", () => tarOf(entry("a", "1"), entry("./a", "2")), /occurs twice/],
    ["a file in place of a directory", () => tarOf(entry("d/x", ""), entry("d", "y")), /d/],
    ["a wrong checksum", () => flipped(tar(), 100), /checksum/],
    ["a number that is none", () => tarOf(entry("f", "", { modeText: "9999999" })), /number/],
    ["an unknown kind of entry", () => tarOf(entry("f", "", { type: "V" })), /type "V"/],
    ["a sparse file", () => tarOf(pax({ "GNU.sparse.major": "1" }), entry("f", "")), /sparse/],
    ["a PAX header that is no list", () => tarOf(entry("p", "999 a=b\n", { type: "x" })), /PAX/],
    ["a NUL in a path", () => tarOf(pax({ path: "a\0b" }), entry("f", "")), /NUL/],
    [
      "an extended header without an end",
      () => tarOf(entry("p", "", { type: "x", size: 2e6 })),
      /too long/,
    ],
    [
      "an extended header of negative length",
      () => tarOf(entry("p", "", { type: "x", size: -1 })),
      /out of range/,
    ],
    ["a file of negative length", () => tarOf(entry("f", "", { size: -100 })), /out of range/],
    ["an owner that no file has", () => tarOf(entry("f", "", { uid: -1 })), /out of range/],
    ["a cut in a file", () => tar().subarray(0, 2000), /cut off/],
    ["a cut in a header", () => tar().subarray(0, 300), /cut off/],
    ["cut gzip data", () => gzipSync(tar()).subarray(0, 40), /gzip/],
    [
      "garbage after a gzip header",
      () => Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9]),
      /gzip/,
    ],
    [
      "a path of 5000 characters",
      () => tarOf(pax({ path: "a/".repeat(2500) + "f" }), entry("f", "")),
      /too long|ENAMETOOLONG/,
    ],
    [
      "a hard link to itself",
      () => tarOf(entry("h", "", { type: "1", link: "h" })),
      /not in the layer/,
    ],
    [
      "a hard link to a directory",
      () => tarOf(entry("d/", ""), entry("h", "", { type: "1", link: "d" })),
      /not in the layer/,
    ],
    [
      "a file below a circle of links",
      () =>
        tarOf(
          entry("a", "", { type: "2", link: "b" }),
          entry("b", "", { type: "2", link: "a" }),
          entry("a/f", "x"),
        ),
      /a\/f/,
    ],
    ["a symbolic link to nothing", () => tarOf(entry("l", "", { type: "2" })), /leads nowhere/],
    ["GNU's old sparse file", () => tarOf(entry("s", "", { type: "S" })), /type "S"/],
    [
      "a PAX size that is no number",
      () => tarOf(pax({ size: "-1" }), entry("f", "x")),
      /size in a PAX/,
    ],
    [
      "a PAX size that reaches beyond the end",
      () => tarOf(pax({ size: "99999999" }), entry("f", "x")),
      /cut off/,
    ],
    [
      "a PAX size that leaves content where a header should be",
      () => tarOf(pax({ size: "1" }), entry("f", "x".repeat(2000))),
      /checksum|no number/,
    ],
    [
      "a GNU name without an end",
      () => tarOf(entry("././@LongLink", "", { type: "L", size: 2e6 })),
      /too long/,
    ],
    [
      "a whiteout of its own directory",
      () => tarOf(entry("d/", ""), entry("d/.wh.", "")),
      /hides nothing/,
    ],
    [
      "a whiteout of the directory above",
      () => tarOf(entry("d/", ""), entry("d/.wh...", "")),
      /hides nothing/,
    ],
    [
      "a name of 300 characters",
      () => tarOf(pax({ path: "a".repeat(300) }), entry("f", "")),
      /ENAMETOOLONG/,
    ],
  ];
  for (const [what, blob, message] of hostile) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(unpack(blob()), { code: "invalid_argument", message });
    });
  }

  function flipped(bytes: Uint8Array, at: number): Uint8Array {
    const copy = bytes.slice();
    copy[at]! ^= 1;
    return copy;
  }

  it("refuses bzip2 and xz by name", async () => {
    await assert.rejects(unpack(Buffer.from("BZh91AY")), {
      code: "unimplemented",
      message: /bzip2/,
    });
    const xz = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0]);
    await assert.rejects(unpack(xz), { code: "unimplemented", message: /xz/ });
  });

  it("stops at the limits: a bomb costs no more than that", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const limits = { maxSize: 1024 * 1024, maxEntries: 2 };
    await assert.rejects(unpack(bomb, { limits }), { code: "resource_exhausted" });
    const many = tarOf(entry("a", ""), entry("b", ""), entry("c", ""));
    await assert.rejects(unpack(many, { limits }), { code: "resource_exhausted" });
  });

  it("remembers no more paths than there is memory for", async () => {
    await Deno.mkdir(paths().diff);
    using root = open(paths().diff, OpenFlag.READ | OpenFlag.DIRECTORY);
    using extractor = new Extractor(root, 100_000);
    const deep = "d/".repeat(1000);
    const directory = (name: string) => parseHeader(entry(`${name}/`, ""));
    const fill = () => {
      for (let i = 0; i < 1000; i++) extractor.entry({ ...directory("x"), name: deep + i });
    };
    assert.throws(fill, { code: "resource_exhausted" });
    assert.ok(readdirSync(join(paths().diff, deep)).length < 60);
  });

  it("puts absolute names and names with every kind of dot and newline inside the layer", async () => {
    await unpack(tarOf(
      entry("/absolute", "1"),
      entry("//twice//over", "2"),
      entry("./d/./../up", "3"),
      pax({ path: "new\nline\r" }),
      entry("x", "4"),
      entry("...", "5"),
      entry("..hidden", "6"),
    ));
    const read = (path: string) => Deno.readTextFileSync(join(paths().diff, path));
    const names = ["absolute", "twice/over", "up", "new\nline\r", "...", "..hidden"];
    assert.deepEqual(names.map(read), ["1", "2", "3", "4", "5", "6"]);
  });

  it("is not led outside by links that are made, replaced and written through under other names", async () => {
    const outside = join(directory, "outside");
    await Deno.mkdir(outside);
    const away = { type: "2", link: outside };
    const archives = [
      // A directory in use is replaced by a link through another path to it.
      [entry("s", "", { type: "2", link: "." }), entry("a/", ""), entry("s/a", "", away)],
      // A file is, and written through afterwards.
      [entry("s", "", { type: "2", link: "." }), entry("a", "x"), entry("s/a", "", away)],
      // The link is in a directory that itself is a link.
      [
        entry("d/", ""),
        entry("e", "", { type: "2", link: "d" }),
        entry("e/l", "", away),
        entry("d/l/f", "x"),
      ],
      [entry("h", "", away), entry("g", "", { type: "1", link: "h" }), entry("g/f", "x")],
      [entry("up", "", { type: "2", link: "../outside" }), entry("up/f", "x")],
      [entry("p", "", { type: "2", link: "/proc/self/cwd" }), entry("p/f", "x")],
    ];
    for (const parts of archives) {
      await unpack(tarOf(...parts, entry("a/f", "x"))).catch((error) => {
        assert.equal(error.code, "invalid_argument", error);
      });
      assert.deepEqual(Array.from(Deno.readDirSync(outside)), []);
      assert.deepEqual(Array.from(Deno.readDirSync(directory), ({ name }) => name).sort(), [
        "diff",
        "outside",
        "split.gz",
      ]);
      await Deno.remove(paths().diff, { recursive: true });
    }
  });

  it("changes nothing outside through a link in place of a directory", async () => {
    const outside = join(directory, "outside");
    await Deno.mkdir(outside, { mode: 0o700 });
    await unpack(tarOf(
      // In the layer there is a directory where the link leads, too.
      pax({ path: `${outside.slice(1)}/` }),
      entry("o/", ""),
      entry("d/", ""),
      entry("d/x", "", { type: "2", link: outside }),
      entry("l", "", { type: "2", link: "d" }),
      entry("l/x/", "", { mode: 0o777, uid: 1 }),
    ));
    const { mode, uid } = Deno.lstatSync(outside);
    assert.deepEqual([mode! & 0o7777, uid], [0o700, 0]);
    const made = Deno.lstatSync(join(paths().diff, "d/x"));
    assert.ok(made.isDirectory);
    assert.deepEqual([made.mode! & 0o7777, made.uid], [0o777, 1]);
  });

  it("unpacks paths that are 300 directories deep", async () => {
    const path = "d/".repeat(300) + "f";
    await unpack(tarOf(pax({ path }), entry("f", "deep")));
    assert.equal(Deno.readTextFileSync(join(paths().diff, path)), "deep");
  });

  it("passes on the failure of its source", async () => {
    await Deno.mkdir(paths().diff);
    async function* broken() {
      yield gzipSync(tar()).subarray(0, 20);
      await Promise.resolve();
      throw new Error("registry went away");
    }
    const result = unpackLayer(broken(), paths(), NO_LIMITS, new AbortController().signal);
    await assert.rejects(result, /registry went away/);
  });
});
