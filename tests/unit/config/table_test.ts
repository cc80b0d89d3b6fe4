import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { ENTRIES } from "../../../src/config/table.ts";
import { defaultConfig } from "../../../src/config/mod.ts";
import { valueAt } from "../../../src/config/assignment.ts";

describe("the table of settings", () => {
  it("gives every flag, short flag and variable to one setting only", () => {
    const flags = ENTRIES.flatMap(({ setting }) =>
      [setting.flag ?? [], setting.aliases ?? []].flat()
    );
    const variables = ENTRIES.flatMap(({ setting }) => setting.env ?? []);
    for (const names of [flags, variables]) {
      assert.deepEqual(names.filter((name, at) => names.indexOf(name) !== at), []);
    }
  });

  it("explains every setting in whole sentences", () => {
    for (const { key, setting } of ENTRIES) {
      assert.match(setting.doc, /^\S.*[.]$/s, key);
      assert.doesNotMatch(setting.doc, / {2}|\n/, key);
    }
  });

  it("has a value for every row in the default configuration", () => {
    const config = defaultConfig();
    for (const { path, setting } of ENTRIES) {
      const value = valueAt(config, path);
      const expected = { list: "object", map: "object", tables: "object" } as Record<
        string,
        string
      >;
      const numeric = setting.type === "integer" || setting.type === "duration";
      assert.equal(
        typeof value,
        numeric ? "number" : expected[setting.type] ?? setting.type,
        path.join("."),
      );
    }
  });
});
