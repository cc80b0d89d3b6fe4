import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import { monitorArguments } from "../../../src/oci/monitor_arguments.ts";
import type { CreateRequest, RuntimeHandler } from "../../../src/oci/types.ts";

const REQUEST: CreateRequest = {
  id: "abc",
  name: "k8s_a",
  handler: {
    ...{ path: "/usr/bin/runc", root: "/run/runc" },
    features: { logsApart: false },
  } as RuntimeHandler,
  bundle: "/run/b",
  persistDir: "/var/p",
  logPath: "/var/log/a.log",
  tty: false,
  stdin: false,
  stdinOnce: false,
  systemdCgroup: false,
  exitsDir: "/run/exits",
  attachDir: "/run/attach",
  logSizeMax: -1,
  noPivot: false,
};

describe("the command line of a monitor", () => {
  const words = (request: Partial<CreateRequest>) =>
    monitorArguments({ ...REQUEST, ...request }).join(" ");

  it("has what the configuration asks for, and nothing else", () => {
    const extras = /journald|--no-pivot|--log-size-max| -t( |$)| -i( |$)/;
    assert.doesNotMatch(words({}), extras);
    assert.match(words({ logToJournald: true }), /-l \/var\/log\/a.log --log-path journald:/);
    assert.match(words({ noPivot: true }), /--no-pivot/);
    assert.match(words({ logSizeMax: 8192 }), /--log-size-max 8192/);
    assert.match(words({ stdin: true, stdinOnce: true }), / -i$/);
    assert.match(words({ stdin: true }), / -i --leave-stdin-open$/);
    assert.match(words({ tty: true, stdin: true }), / -t$/);
  });

  it("keeps what a runtime warns of out of the container's log, where the runtime can", () => {
    assert.doesNotMatch(words({}), /--log=/);
    const handler = { ...REQUEST.handler, features: { logsApart: true } } as RuntimeHandler;
    assert.match(words({ handler }), / --runtime-arg --log=\/run\/b\/runtime.log /);
  });

  it("refuses a log path that a monitor would take apart", () => {
    assert.throws(() => words({ logPath: "/var/a:b" }), /a colon cannot be in it/);
  });
});
