import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { readReport } from "../../../scripts/test/report.ts";

const OK = "";
const FAILED = `<failure message="no">no</failure>`;
const SKIPPED = "<skipped/>";

function report(cases: readonly (readonly [name: string, body: string])[]): string {
  const lines = cases.map(([name, body]) =>
    `<testcase name="${name}" classname="f.ts" time="0.1">\n${body}\n</testcase>`
  );
  return `<testsuites><testsuite name="f">${lines.join("\n")}</testsuite></testsuites>`;
}

describe("the count of tests", () => {
  it("counts tests, not the groups that they are in", () => {
    const xml = report([["a", OK], ["a &gt; b", OK], ["a &gt; b &gt; c", OK], ["a &gt; d", OK]]);
    assert.deepEqual(readReport(xml), { passed: 2, failed: 0, skipped: 0 });
  });

  it("counts a failed test once, not its groups too", () => {
    const xml = report([["a", FAILED], ["a &gt; b", FAILED], ["a &gt; c", OK]]);
    assert.deepEqual(readReport(xml), { passed: 1, failed: 1, skipped: 0 });
  });

  it("counts a group whose hook failed", () => {
    const xml = report([["a", FAILED], ["a &gt; b", OK]]);
    assert.deepEqual(readReport(xml), { passed: 1, failed: 1, skipped: 0 });
  });

  it("counts skipped tests apart", () => {
    const xml = report([["a", OK], ["a &gt; b", SKIPPED], ["lonely", OK]]);
    assert.deepEqual(readReport(xml), { passed: 1, failed: 0, skipped: 1 });
  });
});
