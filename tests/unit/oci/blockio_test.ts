import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { parseBlockioClasses } from "../../../src/oci/blockio/classes.ts";

describe("a file of block I/O classes", () => {
  it("has weights for all devices and rates for some", () => {
    const classes = parseBlockioClasses(`
Classes:
  slow:
    - Weight: 80
    - Devices:
        - /dev/disk/by-id/*SSD*
        - /dev/vd*
      ThrottleReadBps: 60M
      ThrottleWriteIOPS: 10k
  empty: []
`);
    assert.deepEqual(classes.get("slow"), [
      { devices: [], weight: 80, rates: new Map() },
      {
        devices: ["/dev/disk/by-id/*SSD*", "/dev/vd*"],
        weight: undefined,
        rates: new Map([["throttleReadBpsDevice", 60e6], ["throttleWriteIOPSDevice", 10e3]]),
      },
    ]);
    assert.deepEqual(classes.get("empty"), []);
  });

  it("is refused with what is wrong in it", () => {
    for (
      const [text, why] of [
        ["a: 1", /it has no Classes/],
        ["Classes: {a: {Weight: 10}}", /class a is not a list/],
        ["Classes: {a: [{Weight: 5}]}", /class a: Weight 5 is not between 10 and 1000/],
        ["Classes: {a: [{Weight: many}]}", /"many" is not a quantity/],
        ["Classes: {a: [{ThrottleReadBps: 5}]}", /class a: ThrottleReadBps has no Devices/],
        ["Classes: {a: [{Devices: /dev/a}]}", /class a: Devices is not a list of paths/],
        ["Classes: {a: [{Wait: 5}]}", /class a: Wait is none of Devices, Weight, ThrottleReadBps/],
        ["Classes: [", /./],
      ] as const
    ) assert.throws(() => parseBlockioClasses(text), why, text);
  });
});
