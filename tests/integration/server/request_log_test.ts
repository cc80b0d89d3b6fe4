import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";

/** Runs a server in a process of its own, since the log is the isolate's, and returns what it logs. */
async function logOf(level: string): Promise<string> {
  const script = new URL("./_logging_server.ts", import.meta.url).pathname;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, level],
  }).output();
  const text = new TextDecoder().decode(stderr);
  assert.equal(code, 0, text);
  return text;
}

describe("the request log", () => {
  it("has each request and response at debug, in CRI-O's form, and no secrets", async () => {
    const log = await logOf("debug");
    const lines = log.split("\n");
    const find = (pattern: RegExp) => {
      const line = lines.find((line) => pattern.test(line));
      assert.ok(line !== undefined, `${pattern} in:\n${log}`);
      return line;
    };
    const request = find(/msg="Request: \*v1\.RunPodSandboxRequest: .*podsandbox1-redis/);
    assert.match(request, /level=debug .* name=\/runtime\.v1\.RuntimeService\/RunPodSandbox$/);
    const id = / id=([0-9a-f-]{36}) /.exec(request)?.[1];
    find(new RegExp(`Response: \\*v1\\.RunPodSandboxResponse: .* id=${id} `));
    find(/msg="Request: &v1\.ListContainersRequest\{/);
    find(/msg="Request: \*v1\.GetEventsRequest: \{\}"/);
    find(/msg="Response error: container nope not found"/);
    find(/PullImageRequest: .*registry\.example/);
    assert.doesNotMatch(log, /hunter2/);
  });

  it("is silent at info", async () => {
    assert.equal(await logOf("info"), "");
  });
});
