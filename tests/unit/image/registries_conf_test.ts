import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { isCode } from "../../../src/failure/mod.ts";
import { formatReference, parseReference } from "../../../src/image/reference.ts";
import {
  loadRegistriesConf,
  NO_REGISTRIES,
  type RegistriesConf,
} from "../../../src/image/registries_conf.ts";
import { pullSources, pushTarget } from "../../../src/image/registry/sources.ts";
import { localCandidates, pullCandidates } from "../../../src/image/short_names.ts";

async function load(conf: string, dropIns: Record<string, string> = {}, recorded = "") {
  const root = await Deno.makeTempDir({ prefix: "crid-conf-" });
  try {
    await Deno.mkdir(join(root, "d"));
    await Deno.writeTextFile(join(root, "conf"), conf);
    await Deno.writeTextFile(join(root, "recorded"), recorded);
    for (const [name, text] of Object.entries(dropIns)) {
      await Deno.writeTextFile(join(root, "d", name), text);
    }
    return await loadRegistriesConf({
      conf: join(root, "conf"),
      dropIns: [join(root, "d")],
      recordedAliases: join(root, "recorded"),
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

function sources(conf: RegistriesConf, reference: string): string[] {
  return pullSources(conf, parseReference(reference)).map(({ reference, insecure, isMirror }) =>
    `${formatReference(reference)}${insecure ? " insecure" : ""}${isMirror ? " mirror" : ""}`
  );
}

describe("insecure_registries of crio.conf", () => {
  const LIST = [
    "one.example:5000",
    "two.example",
    "10.0.0.0/8",
    "fd00::/8",
    "no/range",
    "1.2.3.4/64",
  ];
  const insecure = (reference: string) =>
    pullSources(NO_REGISTRIES, parseReference(reference), LIST)[0]!.insecure;

  for (
    const name of [
      "one.example:5000/a",
      "two.example/a",
      "two.example:443/a",
      "10.1.2.3:5000/a",
    ]
  ) {
    it(`makes ${name} insecure`, () => assert.equal(insecure(name), true));
  }

  for (
    const name of [
      "one.example/a",
      "one.example:5001/a",
      "sub.two.example/a",
      "11.1.2.3/a",
      "1.2.3.4/a",
      "no/range/a",
    ]
  ) {
    it(`says nothing of ${name}`, () => assert.equal(insecure(name), false));
  }

  it("is about mirrors and pushes, too", async () => {
    const conf = await load(`
      [[registry]]
      location = "a.b"
      [[registry.mirror]]
      location = "two.example/x"
    `);
    const [mirror, own] = pullSources(conf, parseReference("a.b/c:1"), LIST);
    assert.deepEqual([mirror!.insecure, own!.insecure], [true, false]);
    assert.equal(pushTarget(conf, parseReference("two.example/c:1"), LIST).insecure, true);
    assert.equal(pushTarget(conf, parseReference("a.b/c:1"), LIST).insecure, false);
  });
});

describe("registries.conf", () => {
  it("is as good as empty when there is none", async () => {
    const conf = await loadRegistriesConf({
      conf: "/nonexistent/c",
      dropIns: ["/nonexistent/d"],
      recordedAliases: "/nonexistent/a",
    });
    assert.deepEqual(sources(conf, "a.b/c:1"), ["a.b/c:1"]);
  });

  it("asks the mirrors first, each only for what it may serve", async () => {
    const conf = await load(`
      [[registry]]
      location = "a.b"
      insecure = true
      [[registry.mirror]]
      location = "m1:5000/x"
      insecure = true
      [[registry.mirror]]
      location = "m2"
      pull-from-mirror = "digest-only"
      [[registry.mirror]]
      location = "m3.example"
      pull-from-mirror = "tag-only"
    `);
    const digest = `sha256:${"0".repeat(64)}`;
    assert.deepEqual(sources(conf, "a.b/c:1"), [
      "m1:5000/x/c:1 insecure mirror",
      "m3.example/c:1 mirror",
      "a.b/c:1 insecure",
    ]);
    assert.deepEqual(sources(conf, `a.b/c@${digest}`).slice(0, 1), [
      `m1:5000/x/c@${digest} insecure mirror`,
    ]);
    assert.equal(sources(conf, `a.b/c@${digest}`).length, 3);
  });

  it("takes the longest prefix that ends at a boundary", async () => {
    const conf = await load(`
      [[registry]]
      prefix = "a.b"
      location = "short"
      [[registry]]
      prefix = "a.b/team"
      location = "x.y/elsewhere"
      [[registry]]
      prefix = "a.b/team/app:1"
      location = "x.y/pinned/app:2"
    `.replaceAll('"short"', '"short.example"'));
    assert.deepEqual(sources(conf, "a.b/team/app:9"), ["x.y/elsewhere/app:9"]);
    assert.deepEqual(sources(conf, "a.b/team/app:1"), ["x.y/pinned/app:2"]);
    assert.deepEqual(sources(conf, "a.b/teamwork:1"), ["short.example/teamwork:1"]);
    assert.deepEqual(sources(conf, "a.bc/team:1"), ["a.bc/team:1"]);
  });

  it("matches wildcards against the domains above the host", async () => {
    const conf = await load(`
      [[registry]]
      prefix = "*.example.com"
      insecure = true
      [[registry]]
      prefix = "*.moved.com"
      location = "new.org"
    `);
    assert.deepEqual(sources(conf, "r.example.com/a:1"), ["r.example.com/a:1 insecure"]);
    assert.deepEqual(sources(conf, "r.example.com:5000/a:1"), ["r.example.com:5000/a:1 insecure"]);
    assert.deepEqual(sources(conf, "example.com/a:1"), ["example.com/a:1"]);
    assert.deepEqual(sources(conf, "evil.org/r.example.com/a:1"), ["evil.org/r.example.com/a:1"]);
    assert.deepEqual(sources(conf, "x.moved.com/a:1"), ["new.org/a:1"]);
  });

  it("refuses a blocked registry, naming the file", async () => {
    const conf = await load(`[[registry]]\nlocation = "a.b"\nblocked = true`);
    assert.throws(
      () => sources(conf, "a.b/c:1"),
      (error) =>
        isCode(error, "permission_denied") && /a\.b is blocked in .*conf/.test(error.message),
    );
  });

  it("lets later files replace registries, lists and aliases", async () => {
    const conf = await load(
      `unqualified-search-registries = ["one.example"]
       [[registry]]
       location = "a.b"
       blocked = true
       [aliases]
       x = "a.b/x"
       gone = "a.b/gone"`,
      {
        "10.conf": `[[registry]]\nlocation = "a.b"\ninsecure = true\n[aliases]\ngone = ""`,
        "20.conf": `unqualified-search-registries = ["two.example", "three.example"]`,
        "ignored.txt": `this is no TOML`,
      },
      `[aliases]\n"recorded" = "r.e/c"`,
    );
    assert.deepEqual(sources(conf, "a.b/c:1"), ["a.b/c:1 insecure"]);
    assert.deepEqual(conf.searchRegistries, ["two.example", "three.example"]);
    const pulled = (name: string) => pullCandidates(conf, name, "disabled").map(formatReference);
    assert.deepEqual(pulled("x:3"), ["a.b/x:3"]);
    assert.deepEqual(pulled("recorded"), ["r.e/c:latest"]);
    assert.deepEqual(pulled("gone"), ["two.example/gone:latest", "three.example/gone:latest"]);
  });

  it("reads the tables of version 1", async () => {
    const conf = await load(`
      [registries.search]
      registries = ["s.example"]
      [registries.insecure]
      registries = ["i.example"]
      [registries.block]
      registries = ["b.example"]
    `);
    assert.deepEqual(sources(conf, "i.example/a:1"), ["i.example/a:1 insecure"]);
    assert.throws(() => sources(conf, "b.example/a"), /blocked/);
    assert.deepEqual(conf.searchRegistries, ["s.example"]);
  });

  for (
    const [what, text] of [
      ["broken TOML", "[[registry"],
      ["a registry without place", "[[registry]]\ninsecure = true"],
      ["a scheme", `[[registry]]\nlocation = "https://a.b"`],
      ["a wildcard in the middle", `[[registry]]\nprefix = "a.*.b"`],
      ["a mirror without place", `[[registry]]\nlocation = "a.b"\n[[registry.mirror]]`],
      [
        "an unknown pull-from-mirror",
        `[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "x"`,
      ],
      [
        "one place with and without TLS",
        `[[registry]]\nlocation = "a.b"\n[[registry]]\nprefix = "c"\nlocation = "a.b"\ninsecure = true`,
      ],
      [
        "one place blocked and not",
        `[[registry]]\nlocation = "a.b"\n[[registry]]\nlocation = "a.b"\nblocked = true`,
      ],
      ["both versions", `unqualified-search-registries = []\n[registries.search]\nregistries = []`],
    ] as const
  ) {
    it(`refuses ${what}, naming the file`, async () => {
      await assert.rejects(
        () => load(text),
        (error) => isCode(error, "failed_precondition") && /\/conf/.test(error.message),
      );
    });
  }
});

describe("short names", () => {
  it("are an error without alias and search registry", async () => {
    const conf = await load("");
    assert.throws(
      () => pullCandidates(conf, "busybox", "enforcing"),
      /did not resolve to an alias/,
    );
  });

  it("must mean one thing in enforcing mode", async () => {
    const conf = await load(`unqualified-search-registries = ["a.b", "c.d"]`);
    assert.throws(
      () => pullCandidates(conf, "busybox", "enforcing"),
      /short name mode is enforcing, but image name busybox returns ambiguous list/,
    );
    assert.equal(pullCandidates(conf, "busybox", "disabled").length, 2);
  });

  it("find images that are here under every name they may have", async () => {
    const conf = await load(`unqualified-search-registries = ["a.b"]\n[aliases]\nx = "al.ias/x"`);
    assert.deepEqual(localCandidates(conf, "x:1").map(formatReference), [
      "localhost/x:1",
      "al.ias/x:1",
      "a.b/x:1",
      "docker.io/library/x:1",
    ]);
  });
});
