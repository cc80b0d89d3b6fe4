import { describe, it } from "@std/testing/bdd";
import { HELPERS } from "../../../scripts/build/native.ts";
import { passSanitized } from "../../harness/sanitized.ts";

describe("the native helpers with sanitizers", () => {
  it("pass every test of this directory without a report", async () => {
    await passSanitized({
      target: HELPERS,
      variable: "CRID_TEST_HELPERS",
      directory: import.meta.dirname!,
      except: import.meta.filename!,
    });
  });
});
