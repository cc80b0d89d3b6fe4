import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";

describe("cgroups, statistics and networks in the cri isolate", () => {
  it("work although Deno keeps /proc and /sys from an isolate without all permissions", async () => {
    const root = Deno.makeTempDirSync({ prefix: "crid-walls-" });
    const answer = `{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/24"}]}`;
    for (const directory of ["net.d", "bin"]) Deno.mkdirSync(`${root}/${directory}`);
    Deno.writeTextFileSync(`${root}/bin/fake`, `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
    Deno.writeTextFileSync(
      `${root}/net.d/1.conflist`,
      JSON.stringify({ cniVersion: "1.0.0", name: "n", plugins: [{ type: "fake" }] }),
    );
    const permissions = { read: true, write: true, run: true, ffi: true, env: true, sys: true };
    const worker = new Worker(import.meta.resolve("./walled_worker.ts"), {
      type: "module",
      deno: { permissions: { ...permissions, net: false, import: false } },
    });
    try {
      const saw = await new Promise<Record<string, unknown>>((resolve, reject) => {
        worker.onmessage = (event) => resolve(event.data);
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(root);
      });
      const { usedBytes, networkMetrics, ...rest } = saw;
      assert.deepEqual(rest, { memory: true, ips: ["10.0.0.2"] });
      assert.ok(Number(usedBytes) > 0);
      assert.ok(Number(networkMetrics) >= 8, "eight for each interface of the host");
    } finally {
      worker.terminate();
      Deno.removeSync(root, { recursive: true });
    }
  });
});
