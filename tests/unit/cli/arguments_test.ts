import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type FlagSpec, isOn, parseArguments, textOf } from "../../../src/cli/arguments.ts";

const SPECS: readonly FlagSpec[] = [
  { name: "root", aliases: ["r"], kind: "text", doc: "" },
  { name: "selinux", aliases: [], kind: "boolean", doc: "" },
];

describe("parsing arguments", () => {
  const parsed: readonly (readonly [string, Record<string, string[]>, string[]])[] = [
    ["--root /a config", { root: ["/a"] }, ["config"]],
    ["-root=/a", { root: ["/a"] }, []],
    ["-r /a --root=/b=c", { root: ["/a", "/b=c"] }, []],
    ["--root= x", { root: [""] }, ["x"]],
    ["--root -x", { root: ["-x"] }, []],
    ["--selinux config --root /a", { selinux: ["true"] }, ["config", "--root", "/a"]],
    ["--selinux=false x", { selinux: ["false"] }, ["x"]],
    ["--selinux -- --root", { selinux: ["true"] }, ["--root"]],
    ["- --root", {}, ["-", "--root"]],
    ["", {}, []],
  ];
  for (const [line, flags, rest] of parsed) {
    it(`reads ${JSON.stringify(line)}`, () => {
      const result = parseArguments(line === "" ? [] : line.split(" "), SPECS);
      assert.deepEqual(Object.fromEntries(result.flags), flags);
      assert.deepEqual(result.rest, rest);
    });
  }

  const refused: readonly (readonly [string, string])[] = [
    ["--colour", "flag provided but not defined: -colour"],
    ["-x=1", "flag provided but not defined: -x"],
    ["--root", "flag needs an argument: -root"],
    ["---root", "bad flag syntax: ---root"],
    ["-=x", "bad flag syntax: -=x"],
  ];
  for (const [line, message] of refused) {
    it(`refuses ${line}`, () => {
      assert.throws(() => parseArguments(line.split(" "), SPECS), { name: "UsageError", message });
    });
  }

  it("gives the last of several values", () => {
    const given = parseArguments(["-r", "a", "-r", "b", "--selinux", "--selinux=0"], SPECS);
    assert.equal(textOf(given, "root"), "b");
    assert.equal(isOn(given, "selinux"), false);
    assert.equal(textOf(given, "other"), undefined);
  });

  it("takes nothing but a bool for a bool", () => {
    const given = parseArguments(["--selinux=maybe"], SPECS);
    assert.throws(() => isOn(given, "selinux"), /invalid boolean value "maybe" for -selinux/);
  });
});
