import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { watchExits } from "../../../src/oci/mod.ts";

let root: string;

beforeEach(async () => {
  root = await Deno.makeTempDir();
});

afterEach(async () => {
  await Deno.remove(root, { recursive: true });
});

/** Writes what a monitor leaves of a container. */
async function end(exitsDir: string, id: string): Promise<void> {
  const persistDir = join(root, id);
  await Deno.mkdir(persistDir);
  await Deno.writeTextFile(join(persistDir, "exit"), "3");
  await Deno.writeTextFile(join(exitsDir, id), "3");
}

describe("watchExits", () => {
  it("finds later what it could not read once", async () => {
    const [exitsDir, elsewhere] = [join(root, "exits"), join(root, "elsewhere")];
    const seen = new Set<string>();
    let told = Promise.withResolvers<void>();
    await using _watch = await watchExits({
      exitsDir,
      locate: (id) => ({ persistDir: join(root, id), bundle: join(root, id) }),
      onExit: ({ id, exitCode }) => {
        assert.equal(exitCode, 3);
        seen.add(id);
        told.resolve();
      },
    });
    await end(exitsDir, "before");
    await told.promise;

    // The watch follows the directory, reading it by its name fails.
    await Deno.rename(exitsDir, elsewhere);
    await end(elsewhere, "unreadable");
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual([...seen], ["before"]);

    await Deno.rename(elsewhere, exitsDir);
    const reported = async (id: string) => {
      while (!seen.has(id)) {
        await told.promise;
        told = Promise.withResolvers();
      }
    };
    for (const id of ["after", "later"]) {
      told = Promise.withResolvers();
      await end(exitsDir, id);
      await reported(id);
    }
    // They are read side by side: it may be the last to be told of.
    await reported("unreadable");
    assert.deepEqual(seen, new Set(["before", "unreadable", "after", "later"]));
  });
});
