import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { decodeMessage, encodeCall } from "../../../src/cgroup/systemd/message.ts";
import { type DbusValue, Reader, types, Writer } from "../../../src/cgroup/systemd/wire.ts";

const hex = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function written(signature: string, values: readonly DbusValue[]): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.values(signature, values);
  return writer.bytes();
}

describe("D-Bus values", () => {
  it("split a signature into its complete types", () => {
    assert.deepEqual(types("ssa(sv)a(sa(sv))au"), ["s", "s", "a(sv)", "a(sa(sv))", "au"]);
    assert.throws(() => types("(s"), /no end/);
  });

  it("are aligned as the specification wants it", () => {
    // The specification's own example: an array of one 64-bit value.
    assert.equal(hex(written("ax", [[5n]])), "08000000" + "00000000" + "0500000000000000");
    assert.equal(hex(written("yu", [1, 2])), "01000000" + "02000000");
    assert.equal(hex(written("s", ["foo"])), "03000000" + "666f6f00");
    assert.equal(
      hex(written("v", [{ signature: "b", value: true }])),
      "016200" + "00" + "01000000",
    );
    assert.equal(hex(written("a(su)", [[]])), "00000000" + "00000000");
  });

  it("come back as they were", () => {
    const cases: readonly (readonly [string, readonly DbusValue[]])[] = [
      ["ybiuxtsog", [255, true, -1, 4294967295, -5n, 18446744073709551615n, "ü", "/a", "a(sv)"]],
      ["a{sv}", [[["One", { signature: "as", value: ["x", "y"] }]]]],
      ["ssa(sv)a(sa(sv))", ["a.scope", "fail", [["PIDs", { signature: "au", value: [7] }]], []]],
      ["ay", [Array.from({ length: 1000 }, (_, at) => at % 256)]],
    ];
    for (const [signature, values] of cases) {
      assert.deepEqual(new Reader(written(signature, values)).values(signature), values);
    }
  });

  it("that end too early or lie about their length are refused", () => {
    const bytes = written("as", [["one", "two"]]);
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => new Reader(bytes.subarray(0, length)).values("as"), { code: "internal" });
    }
    const endless = new Uint8Array([0xff, 0xff, 0xff, 0xff]);
    assert.throws(() => new Reader(endless).values("as"), { code: "internal" });
    assert.throws(() => new Reader(endless).values("s"), { code: "internal" });
  });
});

describe("D-Bus messages", () => {
  const call = {
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    member: "StopUnit",
    signature: "ss",
    values: ["a.scope", "replace"],
  };

  it("are read once they are whole, and leave what follows", () => {
    const bytes = encodeCall(call, 3);
    for (let length = 0; length < bytes.length; length += 7) {
      assert.equal(decodeMessage(bytes.subarray(0, length)), undefined);
    }
    const two = new Uint8Array([...bytes, ...bytes]);
    const decoded = decodeMessage(two);
    assert.equal(decoded?.length, bytes.length);
    assert.deepEqual(decoded?.message, {
      type: 1,
      replySerial: undefined,
      path: call.path,
      member: "StopUnit",
      error: "",
      values: ["a.scope", "replace"],
    });
  });

  it("of another kind are refused", () => {
    assert.throws(() => decodeMessage(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n")), {
      code: "internal",
    });
    const long = encodeCall(call, 1);
    new DataView(long.buffer).setUint32(4, 0x7fff_ffff, true);
    assert.throws(() => decodeMessage(long), { code: "internal" });
  });
});
