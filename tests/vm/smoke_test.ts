import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { repository } from "../../scripts/build/paths.ts";
import { runBoot } from "./boot.ts";
import { SUITES } from "./suites.ts";

/** Emulated, on two cores that have nothing else to do, it takes three. */
const MINUTES = 12;

describe("crid on a node with systemd, cgroup v2 and AppArmor", () => {
  it("is installed, started, runs a pod, survives a restart and is taken away", async () => {
    const { steps: [smoke], output, console: boot } = await runBoot({
      suite: SUITES[0]!.name,
      steps: [{ job: "smoke", manager: "systemd", runtime: "crun" }],
      minutes: MINUTES,
      crid: Deno.env.get("CRID_BINARY") ?? join(repository, "dist/crid"),
      say: (line) => console.log(line),
    });
    assert.equal(smoke?.code, 0, `${output.slice(-4000)}\n${boot.slice(-1000)}`);
  });
});
