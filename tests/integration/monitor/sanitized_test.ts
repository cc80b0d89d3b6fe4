import { describe, it } from "@std/testing/bdd";
import { MONITOR } from "../../../scripts/build/native.ts";
import { passSanitized } from "../../harness/sanitized.ts";

describe("the monitor with sanitizers", () => {
  it("passes every test of this directory without a report", async () => {
    await passSanitized({
      target: MONITOR,
      variable: "CRID_TEST_MONITOR",
      directory: import.meta.dirname!,
      except: import.meta.filename!,
    });
  });
});
