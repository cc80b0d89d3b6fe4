import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { IdIndex } from "../../../src/pod/id_index.ts";
import { namespaceFile, newId } from "../../../src/pod/names.ts";

describe("an index of ids", () => {
  const index = new IdIndex<{ readonly id: string }>("container");
  const [one, two] = [{ id: "ab12".padEnd(64, "0") }, { id: "ab34".padEnd(64, "0") }];
  index.add(one);
  index.add(two);

  it("finds a thing by its id and by any unique prefix of it", () => {
    assert.equal(index.get(one.id), one);
    assert.equal(index.get("ab1"), one);
    assert.equal(index.find("ab3"), two);
  });

  it("finds nothing for a prefix that several ids have, for none and for the empty one", () => {
    for (const id of ["ab", "cd", "", one.id + "0"]) assert.equal(index.find(id), undefined);
    assert.throws(() => index.get("ab"), { code: "not_found", message: /container "ab"/ });
  });
});

describe("names", () => {
  it("are 64 random hex characters for an id", () => {
    assert.match(newId(), /^[0-9a-f]{64}$/);
    assert.notEqual(newId(), newId());
  });

  it("of pinned namespaces follow from the sandbox's id and look like a UUID", () => {
    const id = newId();
    assert.match(namespaceFile(id), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(namespaceFile(id), namespaceFile(id));
  });
});
