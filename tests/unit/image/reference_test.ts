import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import {
  formatReference,
  isShortName,
  parseReference,
  repositoryName,
} from "../../../src/image/reference.ts";
import { isCode } from "../../../src/failure/mod.ts";

const HEX = "9700f9a2f5bf2c45f2f605a0bd3bce7cf37420ec9d3ed50ac2758413308766bf";

describe("image references", () => {
  const full: Record<string, string> = {
    "busybox": "docker.io/library/busybox:latest",
    "busybox:1.36": "docker.io/library/busybox:1.36",
    "user/app": "docker.io/user/app:latest",
    "docker.io/busybox": "docker.io/library/busybox:latest",
    "index.docker.io/busybox": "docker.io/library/busybox:latest",
    "localhost/app": "localhost/app:latest",
    "localhost:5000/app:v1": "localhost:5000/app:v1",
    "registry.k8s.io/pause:3.9": "registry.k8s.io/pause:3.9",
    "[::1]:5000/app": "[::1]:5000/app:latest",
    "Host/app": "Host/app:latest",
    "a.b/c__d/e-f.g:T_1.x-y": "a.b/c__d/e-f.g:T_1.x-y",
    [`a.b/c@sha256:${HEX}`]: `a.b/c@sha256:${HEX}`,
    [`a.b/c:tag@sha256:${HEX}`]: `a.b/c@sha256:${HEX}`,
    [`busybox@sha512:${HEX}${HEX}`]: `docker.io/library/busybox@sha512:${HEX}${HEX}`,
  };
  for (const [text, expected] of Object.entries(full)) {
    it(`reads ${text} as ${expected}`, () => {
      assert.equal(formatReference(parseReference(text)), expected);
      assert.equal(formatReference(parseReference(expected)), expected);
    });
  }

  const hostile = [
    "",
    " ",
    ":",
    "/",
    "@",
    "a/",
    "/a",
    "a//b",
    "../../etc/passwd",
    "a.b/../c",
    "a.b/C",
    "UPPER",
    "a.b/c:",
    "a.b/c:-tag",
    `a.b/c:${"t".repeat(129)}`,
    "a.b/c@sha256:abc",
    `a.b/c@sha256:${HEX.toUpperCase()}`,
    `a.b/c@md5:${HEX}`,
    `a.b/c@sha256:${HEX}x`,
    HEX,
    "https://a.b/c",
    "a.b/c?x=1",
    "a.b/c#x",
    "a.b/c%2e%2e",
    "user:pass@a.b/c",
    "a.b/c\nd",
    "a.b/c\0",
    "a.b/ü",
    "-a.b/c",
    "a.b:port/c",
    `a.b/${"x/".repeat(1000)}y`,
    "a".repeat(100_000),
    `a.b/${"a-".repeat(120)}`,
    `a.b/${"a".repeat(300)}`,
  ];
  for (const text of hostile) {
    it(`refuses ${JSON.stringify(text.slice(0, 40))} at once`, () => {
      const started = performance.now();
      assert.throws(
        () => parseReference(text),
        (error) => isCode(error, "invalid_argument") && error.message.length < 600,
      );
      assert.ok(performance.now() - started < 5000);
    });
  }

  it("knows which names have no registry", () => {
    for (const text of ["busybox", "user/app:1", `busybox@sha256:${HEX}`]) {
      assert.equal(isShortName(text), true, text);
    }
    for (const text of ["localhost/app", "a.b/c", "h:5000/c", "docker.io/library/x"]) {
      assert.equal(isShortName(text), false, text);
    }
  });

  it("gives the repository without tag and digest", () => {
    assert.equal(repositoryName(parseReference("h:5000/c:1")), "h:5000/c");
  });
});
