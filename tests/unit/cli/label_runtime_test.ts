import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { labelRuntime } from "../../../src/cli/install/selinux.ts";
import { fileLabel } from "../../../src/security/mod.ts";

describe("the installed program under SELinux", () => {
  let directory: string;
  let program: string;
  beforeEach(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-label-" });
    program = join(directory, "crid");
    await Deno.writeTextFile(program, "");
  });
  afterEach(() => Deno.remove(directory, { recursive: true }));

  it("is labelled as the policy labels runtimes", async () => {
    const kernel = join(directory, "selinuxfs");
    await Deno.mkdir(kernel);
    for (const name of ["enforce", "context"]) await Deno.writeTextFile(join(kernel, name), "");
    const contexts = join(directory, "contexts");
    await Deno.writeTextFile(contexts, "process = u:r:container_t:s0\nfile = u:r:file_t:s0\n");
    assert.equal(await labelRuntime(program, { kernel, contexts }), "container_runtime_exec_t");
    assert.equal(fileLabel(program), "system_u:object_r:container_runtime_exec_t:s0");
  });

  it("is left as it is where there is none", async () => {
    assert.equal(await labelRuntime(program, { kernel: join(directory, "none") }), undefined);
    assert.equal(fileLabel(program), "");
  });
});
