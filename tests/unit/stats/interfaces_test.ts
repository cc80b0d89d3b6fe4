import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { parseNetDev } from "../../../src/stats/interfaces.ts";

const TITLES = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;

describe("the counters of a pod's interfaces", () => {
  it("are read with the pod's own interface first and the loopback last", () => {
    const links = parseNetDev(
      TITLES +
        "    lo:    1   2 3 4 0 0 0 0   5 6 7 8 0 0 0 0\n" +
        "  net1:    0   0 0 0 0 0 0 0   0 0 0 0 0 0 0 0\n" +
        "  eth0:12345678901 20 30 40 0 0 0 0 50 60 70 80 0 0 0 0\n",
    );
    assert.deepEqual(links.map(({ name }) => name), ["eth0", "net1", "lo"]);
    assert.deepEqual(links[0], {
      name: "eth0",
      rxBytes: 12_345_678_901,
      rxPackets: 20,
      rxErrors: 30,
      rxDropped: 40,
      txBytes: 50,
      txPackets: 60,
      txErrors: 70,
      txDropped: 80,
    });
  });

  it("keep the colon of an alias in its name", () => {
    const [link] = parseNetDev(`${TITLES}eth0:1: 7 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n`);
    assert.equal(link?.name, "eth0:1");
    assert.equal(link?.rxBytes, 7);
  });

  it("are none for a process that has ended", () => {
    assert.deepEqual(parseNetDev(""), []);
  });
});
