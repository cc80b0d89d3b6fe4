import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readdirSync } from "node:fs";
import { join } from "@std/path";
import fc from "fast-check";
import { isCode } from "../../../src/failure/mod.ts";
import { exportLayer, unpackLayer } from "../../../src/storage/mod.ts";
import { FixtureStore, sha256 } from "./fixture_store.ts";
import { entry, pax, tarOf } from "./tar_bytes.ts";

/** The same archives each time, and others in a long run. */
const RUNS = Deno.env.get("CRID_TEST_LONG") === undefined
  ? { seed: 1, numRuns: 300, interruptAfterTimeLimit: 6_000 }
  : { numRuns: 5_000 };
/** Longest wait for descriptors that are being closed in other threads. */
const CLOSING_MS = 10_000;
const LOOK_MS = 5;
const LIMITS = { maxSize: 1 << 20, maxEntries: 1000 };

/** Few of them, so that entries meet: under, through and in place of each other. */
const part = fc.constantFrom(
  ...["a", "b", "link", "..", ".", "", ".wh.a", ".wh..wh..opq", "\xe4", "c\n"],
);
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const link = fc.oneof(
  path,
  fc.constantFrom("/", "../..", "../../outside", "/outside", "/proc/self/root", "a/../link"),
);
/** An entry, by what it takes to write it. */
const recipe = fc.oneof(
  { weight: 4, arbitrary: fc.record({ path, content: fc.string({ maxLength: 20 }) }) },
  { weight: 4, arbitrary: path.map((path) => ({ path: `${path}/` })) },
  { weight: 6, arbitrary: fc.record({ path, type: fc.constantFrom("1", "2"), link }) },
  { weight: 1, arbitrary: fc.record({ path, type: fc.constantFrom(..."3467AS\0") }) },
  {
    weight: 1,
    arbitrary: fc.record({
      path,
      linkpath: link,
      size: fc.constantFrom("0", "5", "-1", "99999999999999999999", "x"),
      mtime: fc.constantFrom("1", "-1.5", "1e99", "99999999999999"),
      "SCHILY.xattr.user.x": fc.string({ maxLength: 5 }),
      "SCHILY.xattr.trusted.overlay.opaque": fc.constant("y"),
    }, { requiredKeys: [] }).map((pax) => ({ pax })),
  },
);
const recipes = fc.array(recipe, { maxLength: 12 });
/** Bytes that are something else, and a place where the archive ends. */
const damage = fc.record({
  changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
  end: fc.option(fc.nat()),
});

interface Recipe {
  readonly path?: string;
  readonly content?: string;
  readonly type?: string;
  readonly link?: string;
  readonly pax?: Readonly<Record<string, string | undefined>>;
}

function build(recipes: readonly Recipe[]): Uint8Array {
  return tarOf(
    ...recipes.map(({ path = "", content = "", pax: records, ...options }) =>
      records === undefined ? entry(path, content, options) : pax(records as Record<string, string>)
    ),
  );
}

describe("an archive of any kind", () => {
  let fixture: FixtureStore;
  let outside: string;

  before(async () => {
    fixture = await FixtureStore.create({}, "/dev/shm");
    outside = join(fixture.root, "outside");
    await Deno.mkdir(outside);
    await Deno.writeTextFile(join(outside, "file"), "untouched");
  });
  after(() => fixture[Symbol.asyncDispose]());

  /** @returns Whether it was taken as a layer. */
  async function take(tar: Uint8Array): Promise<boolean> {
    await using staging = await fixture.store.stageLayer(undefined, sha256(tar));
    async function* source() {
      yield tar.slice();
    }
    const signal = new AbortController().signal;
    try {
      const unpacked = await unpackLayer(source(), staging.paths, LIMITS, signal);
      await comesOut((await staging.commit(unpacked)).id, tar);
      return true;
    } catch (error) {
      if (!isCode(error, "invalid_argument") && !isCode(error, "resource_exhausted")) throw error;
      return false;
    }
  }

  /** The archive comes out as it went in; where a file has hidden another's content it never comes out wrong. */
  async function comesOut(layer: string, tar: Uint8Array): Promise<void> {
    try {
      const exported = await Array.fromAsync(exportLayer(fixture.store, layer));
      assert.ok(Buffer.concat(exported).equals(tar));
    } catch (error) {
      const lost = isCode(error, "internal") && /what was pulled|have changed/.test(error.message);
      if (!lost) throw error;
    }
  }

  async function isHarmless(tars: fc.Arbitrary<readonly [readonly Recipe[], Damage | undefined]>) {
    const results = new Set<boolean>();
    const open = () => readdirSync("/proc/self/fd").length;
    const before = open();
    await fc.assert(
      fc.asyncProperty(tars, async ([recipes, damage]) => {
        results.add(await take(damaged(build(recipes), damage)));
        assert.deepEqual(readdirSync(outside), ["file"]);
        assert.equal(Deno.readTextFileSync(join(outside, "file")), "untouched");
      }),
      RUNS,
    );
    assert.equal(results.size, 2, "some are taken and some refused");
    const limit = Date.now() + CLOSING_MS;
    while (open() > before) {
      assert.ok(Date.now() < limit, "descriptors are left open");
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    assert.deepEqual(readdirSync(fixture.graph("overlay", "tempdirs")), []);
  }

  it("is taken or refused, and touches nothing outside", async () => {
    await isHarmless(recipes.map((recipes) => [recipes, undefined] as const));
  });

  it("is taken or refused when it is damaged, too", async () => {
    await isHarmless(fc.tuple(recipes, damage));
  });
});

interface Damage {
  readonly changes: readonly (readonly [at: number, value: number])[];
  readonly end: number | null;
}

function damaged(tar: Uint8Array, damage: Damage | undefined): Uint8Array {
  const bytes = new Uint8Array(tar);
  for (const [at, value] of damage?.changes ?? []) bytes[at % bytes.length] = value;
  const end = damage?.end ?? undefined;
  return end === undefined ? bytes : bytes.subarray(0, end % bytes.length);
}
