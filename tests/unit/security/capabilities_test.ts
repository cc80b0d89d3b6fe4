import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import { type CapabilityRequest, capabilitySets } from "../../../src/security/mod.ts";
import { CAPABILITIES } from "../../../src/linux/mod.ts";

const REQUEST: CapabilityRequest = {
  defaults: ["CHOWN", "KILL"],
  add: [],
  drop: [],
  mode: "normal",
  inheritable: "empty",
  held: new Set(CAPABILITIES),
};
const bounding = (request: Partial<CapabilityRequest>) =>
  capabilitySets({ ...REQUEST, ...request }).bounding;

describe("the capabilities of a container", () => {
  it("are the configured ones, with those added and without those dropped", () => {
    assert.deepEqual(bounding({}), ["CAP_CHOWN", "CAP_KILL"]);
    assert.deepEqual(bounding({ add: ["net_admin"], drop: ["CAP_KILL"] }), [
      "CAP_CHOWN",
      "CAP_NET_ADMIN",
    ]);
  });

  it("are all or none with ALL, from which single ones are taken or to which they are added", () => {
    assert.equal(bounding({ add: ["ALL"] }).length, CAPABILITIES.length);
    assert.equal(bounding({ add: ["ALL"], drop: ["KILL"] }).length, CAPABILITIES.length - 1);
    assert.deepEqual(bounding({ drop: ["ALL"] }), []);
    assert.deepEqual(bounding({ drop: ["ALL"], add: ["KILL"] }), ["CAP_KILL"]);
  });

  it("are never more than this process holds", () => {
    const held = new Set(["CAP_CHOWN"]);
    assert.deepEqual(bounding({ add: ["ALL"], held }), ["CAP_CHOWN"]);
    assert.deepEqual(bounding({ mode: "privileged", held }), ["CAP_CHOWN"]);
  });

  it("are inheritable only on request, and never ambient", () => {
    assert.deepEqual(capabilitySets(REQUEST).inheritable, []);
    const sets = capabilitySets({ ...REQUEST, inheritable: "same" });
    assert.deepEqual(sets.inheritable, sets.bounding);
    assert.deepEqual(sets.ambient, []);
  });

  it("must exist to be added", () => {
    assert.throws(() => bounding({ add: ["FLY"] }), /unknown capability "CAP_FLY" to add/);
    assert.deepEqual(bounding({ drop: ["FLY"] }), ["CAP_CHOWN", "CAP_KILL"]);
  });
});
