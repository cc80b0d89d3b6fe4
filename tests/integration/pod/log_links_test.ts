import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "@std/path";
import { describe, it } from "@std/testing/bdd";
import { isMountPoint } from "../../../src/linux/mod.ts";
import { mountLogs, unmountLogs } from "../../../src/pod/log_links.ts";
import type { SandboxParts } from "../../../src/pod/sandbox.ts";

describe("a pod that wants to read its own logs", () => {
  it("has them mounted read-only over its volume", async () => {
    const root = await Deno.makeTempDir({ prefix: "crid-links-" });
    const logDirectory = join(root, "logs");
    const volume = join(root, "pods/uid-1/volumes/kubernetes.io~empty-dir/logs");
    const parts = (name: string) =>
      ({
        id: "1",
        logDirectory,
        config: { metadata: { uid: "uid-1" }, annotations: { "link-logs.crio.io": name } },
      }) as unknown as SandboxParts;
    try {
      for (const path of [logDirectory, volume]) await mkdir(path, { recursive: true });
      await writeFile(join(logDirectory, "0.log"), "line\n");
      mountLogs(parts("logs"), join(root, "pods"));
      assert.equal(Deno.readTextFileSync(join(volume, "0.log")), "line\n");
      await assert.rejects(writeFile(join(volume, "new"), ""), { code: "EROFS" });
      mountLogs(parts("missing"), join(root, "pods"));
      mountLogs(parts("../.."), join(root, "pods"));
      unmountLogs(parts("logs"), join(root, "pods"));
      unmountLogs(parts("logs"), join(root, "pods"));
      assert.equal(isMountPoint(volume), false);
    } finally {
      unmountLogs(parts("logs"), join(root, "pods"));
      await Deno.remove(root, { recursive: true });
    }
  });
});
