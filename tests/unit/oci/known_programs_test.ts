import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { KnownPrograms } from "../../../src/oci/known_programs.ts";

describe("what a program has answered", () => {
  let directory: string;
  let asked: number;
  const ask = () => Promise.resolve({ version: ++asked });
  const at = (name: string) => join(directory, name);

  beforeEach(async () => {
    asked = 0;
    directory = await Deno.makeTempDir({ prefix: "crid-programs-" });
    await Deno.copyFile("/bin/true", at("program"));
  });
  afterEach(() => Deno.remove(directory, { recursive: true }));

  it("is kept while the program is the same file", async () => {
    const first = new KnownPrograms(at("known.json"));
    assert.deepEqual(await first.answer(at("program"), ask), { version: 1 });
    await first.save();
    const second = new KnownPrograms(at("known.json"));
    assert.deepEqual(await second.answer(at("program"), ask), { version: 1 });
    assert.equal(asked, 1);
    await Deno.copyFile("/bin/false", at("other"));
    await Deno.rename(at("other"), at("program"));
    assert.deepEqual(await second.answer(at("program"), ask), { version: 2 });
  });

  it("is not kept of a script, which may start anything, nor of what fails", async () => {
    await Deno.writeTextFile(at("script"), "#!/bin/sh\nexec true\n", { mode: 0o755 });
    const known = new KnownPrograms(at("known.json"));
    await known.answer(at("script"), ask);
    await known.answer(at("script"), ask);
    assert.equal(asked, 2);
    await assert.rejects(known.answer(at("program"), () => Promise.reject(new Error("broken"))));
    assert.deepEqual(await known.answer(at("program"), ask), { version: 3 });
  });

  it("is asked anew when the file that keeps it is torn, missing or cannot be written", async () => {
    const known = new KnownPrograms(at("known.json"));
    await known.answer(at("program"), ask);
    await known.save();
    const text = await Deno.readTextFile(at("known.json"));
    await Deno.writeTextFile(at("known.json"), text.replace("version", "Version"));
    assert.deepEqual(await new KnownPrograms(at("known.json")).answer(at("program"), ask), {
      version: 2,
    });
    const nowhere = new KnownPrograms(at("nowhere/known.json"));
    await nowhere.answer(at("program"), ask);
    await nowhere.save();
    assert.equal(asked, 3);
  });
});
