import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { isCode } from "../../../src/failure/mod.ts";
import { chainLayerId, randomLinkName } from "../../../src/storage/layer_id.ts";
import { overlayOptions } from "../../../src/storage/options.ts";
import { bigDataFileName } from "../../../src/storage/paths.ts";

describe("layer ids", () => {
  it("follow the formula of containers/storage, not the OCI ChainID", () => {
    const base = "b527011c35c9" + "0".repeat(52);
    assert.equal(chainLayerId(undefined, `sha256:${base}`), base);
    // sha256("<64 a>+<64 b>"), from sha256sum(1).
    assert.equal(
      chainLayerId("a".repeat(64), `sha256:${"b".repeat(64)}`),
      "76f79efda453922cda1cecb6ec9e7cf9d86ea968c6dd199d4030dd00078a1686",
    );
  });

  it("refuse a digest that is no sha256", () => {
    for (
      const digest of ["sha512:00", "", `sha256:${"A".repeat(64)}`, `sha256:${"a".repeat(63)}`]
    ) {
      assert.throws(
        () => chainLayerId(undefined, digest),
        (error) => isCode(error, "invalid_argument"),
      );
    }
  });

  it("have short names of 26 characters, each another", () => {
    const names = Array.from({ length: 100 }, randomLinkName);
    for (const name of names) assert.match(name, /^[A-Z2-7]{26}$/);
    assert.equal(new Set(names).size, 100);
  });
});

describe("names of big data files", () => {
  it("are the key itself when it is plain, else base64", () => {
    assert.equal(bigDataFileName("manifest"), "manifest");
    assert.equal(bigDataFileName("a.b9"), "a.b9");
    assert.equal(bigDataFileName("sha256:ab"), "=c2hhMjU2OmFi");
    assert.equal(bigDataFileName("signature-ab"), "=c2lnbmF0dXJlLWFi");
  });

  it("do not look at the last character, as containers/storage does not", () => {
    assert.equal(bigDataFileName("manifestX"), "manifestX");
    assert.equal(bigDataFileName("maniXfest"), "=bWFuaVhmZXN0");
  });
});

describe("options of the overlay driver", () => {
  it("are read with every prefix that CRI-O's users write", () => {
    for (const prefix of ["overlay.", "overlay2.", "."]) {
      const { mountOptions, home } = overlayOptions([
        `${prefix}mountopt=nodev,metacopy=on`,
        `${prefix}skip_mount_home=true`,
      ]);
      assert.deepEqual(mountOptions, ["nodev", "metacopy=on"]);
      assert.equal(home, "as-is");
    }
  });

  it("are refused when the store would need another layout", () => {
    assert.throws(
      () => overlayOptions(["overlay.mount_program=/usr/bin/fuse-overlayfs"]),
      (error) => isCode(error, "unimplemented"),
    );
    assert.doesNotThrow(() => overlayOptions(["overlay.use_composefs=false"]));
  });
});
