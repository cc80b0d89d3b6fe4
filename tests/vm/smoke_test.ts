import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { repository } from "../../scripts/build/paths.ts";
import { vmImage } from "./image.ts";
import { prepareJob } from "./jobs.ts";
import { runJob } from "./machine.ts";
import { SUITES } from "./suites.ts";

/** Emulated, on two cores that have nothing else to do, it takes three. */
const TIMEOUT_MS = 12 * 60_000;

describe("crid on a node with systemd, cgroup v2 and AppArmor", () => {
  it("is installed, started, runs a pod, survives a restart and is taken away", async () => {
    const image = await vmImage(SUITES[0]!, console.log);
    const directory = await Deno.makeTempDir({ prefix: "crid-vm-job-" });
    try {
      await prepareJob(directory, {
        name: "smoke",
        manager: "systemd",
        runtime: "crun",
        crid: Deno.env.get("CRID_BINARY") ?? join(repository, "dist/crid"),
      });
      const result = await runJob({
        image,
        directory,
        timeoutMs: TIMEOUT_MS,
        onOutput: (line) => console.log(line),
      });
      const what = `${result.output.slice(-4000)}\n${result.console.slice(-1000)}`;
      assert.equal(result.code, 0, what);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
});
