import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { dirname, join, relative } from "@std/path";

/** The rooms of src/ by floor, the lowest first (docs/architecture.md). */
const FLOORS: readonly (readonly string[])[] = [
  ["failure", "observe", "gen"],
  ["config", "linux"],
  ["storage", "cgroup", "security"],
  ["oci", "image", "network", "stats"],
  ["pod"],
  ["server", "streaming"],
  ["isolates"],
  ["cli"],
];

const src = new URL("../../../src/", import.meta.url).pathname;
const IMPORT =
  /^\s*(?:import|export)\b[^"']*?\bfrom\s+["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|^\s*import\s+["']([^"']+)["']/gm;

interface Import {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly target: string;
}

/** Every relative import that leaves its room. */
function importsBetweenRooms(): Import[] {
  const found: Import[] = [];
  for (const file of sources(src)) {
    const text = Deno.readTextFileSync(file);
    for (const [, named, dynamic, bare] of text.matchAll(IMPORT)) {
      const specifier = named ?? dynamic ?? bare ?? "";
      if (!specifier.startsWith(".")) continue;
      const target = relative(src, join(dirname(file), specifier));
      const [from = "", to = ""] = [relative(src, file).split("/")[0], target.split("/")[0]];
      if (from !== to) found.push({ file: relative(src, file), from, to, target });
    }
  }
  return found;
}

function* sources(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts") && !relative(src, path).startsWith("gen/")) yield path;
  }
}

function floorOf(room: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(room));
}

describe("the rooms of src/", () => {
  const imports = importsBetweenRooms();

  it("are all on a floor", () => {
    const rooms = Array.from(Deno.readDirSync(src)).filter((entry) => entry.isDirectory);
    for (const { name } of rooms) assert.notEqual(floorOf(name), -1, `${name} is on no floor`);
    assert.ok(imports.length > 50, "the test sees no imports any more");
  });

  it("import only from floors below their own", () => {
    const upwards = imports.filter(({ from, to }) => floorOf(to) >= floorOf(from));
    assert.deepEqual(upwards.map(({ file, target }) => `${file} -> ${target}`), []);
  });

  it("enter another room only through its mod.ts", () => {
    const past = imports.filter(({ to, target }) => to !== "gen" && target !== `${to}/mod.ts`);
    assert.deepEqual(past.map(({ file, target }) => `${file} -> ${target}`), []);
  });

  it("load packages late only through a module of their own", () => {
    // The bundle's chunk of a CommonJS package has a default export and no others.
    const late = Array.from(sources(src)).filter((file) =>
      /\bimport\(\s*["'](?!\.|openpgp["'])/.test(Deno.readTextFileSync(file))
    );
    assert.deepEqual(late, []);
  });
});
