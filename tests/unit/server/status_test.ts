import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { status as Status } from "@grpc/grpc-js";
import { CridError, type ErrorCode } from "../../../src/failure/mod.ts";
import { toCridError, toStatus } from "../../../src/server/grpc/status.ts";

describe("an error as a gRPC status", () => {
  it("keeps its code and its text", () => {
    for (const name of Object.keys(Status).filter((name) => /^[A-Z]/.test(name))) {
      const code = name.toLowerCase() as ErrorCode;
      if (["ok", "out_of_range", "data_loss"].includes(code)) continue;
      assert.deepEqual(toStatus(new CridError(code, "pull x: no")), {
        code: Status[name as keyof typeof Status],
        details: "pull x: no",
      });
    }
  });

  it("is INTERNAL without a stack when it is none of ours", () => {
    const status = toStatus(toCridError(new TypeError("x is undefined")));
    assert.deepEqual(status, { code: Status.INTERNAL, details: "x is undefined" });
    assert.equal(toStatus(toCridError("thrown text")).details, "thrown text");
  });

  it("is CANCELLED or DEADLINE_EXCEEDED when a wait was aborted", () => {
    const aborted = new DOMException("gone", "AbortError");
    assert.equal(toStatus(toCridError(aborted)).code, Status.CANCELLED);
    const late = new DOMException("late", "TimeoutError");
    assert.equal(toStatus(toCridError(late)).code, Status.DEADLINE_EXCEEDED);
  });

  it("has details that fit into a header and can be encoded, whatever the text", () => {
    for (const text of ["😀".repeat(100_000), "\ud800 lone", "a\r\nb: c\0"]) {
      const { details } = toStatus(new CridError("unknown", text));
      assert.ok(encodeURI(details).length < 60_000);
    }
  });
});
