import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import {
  containerConfig,
  createContainer,
  type Crid,
  podConfig,
  runPod,
  sharedCrid,
} from "../../harness/mod.ts";

/** Ends well when it is asked to. */
const OBEDIENT = ["sh", "-c", "trap 'exit 7' TERM; sleep 100000 & wait"];
/** As the runtime does it: catches the signal, makes nothing of it, and becomes the program. */
const BECOMING = [
  "sh",
  "-c",
  `trap : TERM; sleep 0.3; exec ash -c "trap 'exit 7' TERM; sleep 100000 & wait"`,
];
const ROUNDS = 6;

for (const runtime of ["runc", "crun"] as const) {
  describe(`a container of ${runtime} that is stopped as soon as it has been started`, () => {
    let crid: Crid;
    sharedCrid((started) => crid = started, { runtime });

    /** Exit code of a container that is stopped `delay` milliseconds after its start. */
    async function exitCode(command: string[], delay: number): Promise<number | undefined> {
      const pod = podConfig(crid);
      const podId = await runPod(crid, pod);
      const calls = crid.client.runtime;
      const containerId = await createContainer(crid, podId, pod, containerConfig({ command }));
      await calls.startContainer({ containerId });
      await new Promise((resolve) => setTimeout(resolve, delay));
      await calls.stopContainer({ containerId, timeout: 10n });
      return (await calls.containerStatus({ containerId })).status?.exitCode;
    }

    it("gets its stop signal, whatever moment of its beginning that is", async () => {
      for (let round = 0; round < ROUNDS; round++) {
        assert.equal(await exitCode(OBEDIENT, round), 7, `round ${round}`);
      }
    });

    it("gets it again when what has caught it becomes another program", async () => {
      assert.equal(await exitCode(BECOMING, 100), 7);
    });
  });
}
