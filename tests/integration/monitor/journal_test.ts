import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { isolate, type Isolation, output } from "../../harness/mod.ts";
import { makeStage, type Stage } from "./container.ts";
import { MONITORS, prepareContainer } from "./monitor.ts";
import { buildPeer, Peer } from "./attach_client.ts";

const SOCKET = "/run/systemd/journal/socket";

describe("the monitor's messages to the journal", () => {
  let stage: Stage;
  let isolation: Isolation;
  let peer = "";

  before(async () => {
    stage = await makeStage();
    peer = await buildPeer(stage.directory);
    // A journal of this test's own, also where the host has one.
    isolation = await isolate();
    const setUp = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal";
    await output(isolation, "sh", ["-c", setUp]);
  });

  after(async () => {
    await isolation[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
  });

  for (const monitor of MONITORS) {
    it(`have the line, where it is from, and labels (${monitor})`, async () => {
      await output(isolation, "rm", ["-f", SOCKET]);
      // conmon of Debian 12 knows none.
      const labels = monitor === "ours" ? ["--log-label", "MY_LABEL=its value"] : [];
      const [nsenter, ...rest] = isolation.through;
      await using journal = new Peer(nsenter!, [...rest, peer, "listen", SOCKET]);
      const options = {
        ...{ stage, monitor, runtime: "crun", log: "journald:" } as const,
        script: "echo one; sleep 0.1; echo bad >&2; sleep 0.1; printf part",
        args: ["--log-tag", "tagged", ...labels],
      };
      await using container = await prepareContainer(options);
      await container.exists(`/proc/${isolation.pid}/root${SOCKET}`);
      const through = join(stage.directory, `journal-${monitor}`);
      const words = [...isolation.through, container.program].join(" ");
      await Deno.writeTextFile(through, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
      await using inside = container.through(through);
      inside.launch(options);
      await inside.created();
      await inside.start();
      await inside.end();
      await journal.said("part");

      const common = {
        CONTAINER_ID_FULL: container.id,
        CONTAINER_ID: container.id.slice(0, 12),
        CONTAINER_NAME: "test",
        CONTAINER_TAG: "tagged",
        SYSLOG_IDENTIFIER: "tagged",
        ...(monitor === "ours" ? { MY_LABEL: "its value" } : {}),
      };
      const entries = readEntries(journal.stdout);
      assert.deepEqual(
        entries.map(({ MESSAGE, PRIORITY, CONTAINER_PARTIAL_MESSAGE }) => [
          MESSAGE?.trimEnd(),
          PRIORITY,
          CONTAINER_PARTIAL_MESSAGE,
        ]),
        [["one", "6", undefined], ["bad", "3", undefined], ["part", "6", "true"]],
      );
      for (const entry of entries) {
        for (const [name, value] of Object.entries(common)) assert.equal(entry[name], value, name);
      }
    });
  }
});

/**
 * The journal's native protocol: `NAME=value` lines, or the name alone, the length in eight bytes,
 * and the value. The messages here are short ASCII, so that the text is as long as the bytes were.
 */
function readEntries(text: string): Record<string, string>[] {
  const entries: Record<string, string>[] = [];
  let entry: Record<string, string> = {};
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\n", at);
    const line = text.slice(at, end);
    const equals = line.indexOf("=");
    let name = line.slice(0, equals);
    let value = line.slice(equals + 1);
    at = end + 1;
    if (equals < 0) {
      const length = text.charCodeAt(at);
      [name, value] = [line, text.slice(at + 8, at + 8 + length)];
      at += 8 + length + 1;
    }
    // Datagrams are not told apart: none has a field twice.
    if (name in entry) {
      entries.push(entry);
      entry = {};
    }
    entry[name] = value;
  }
  return [...entries, entry];
}
