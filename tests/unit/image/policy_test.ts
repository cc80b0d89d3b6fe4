import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { isCode } from "../../../src/failure/mod.ts";
import { parseReference } from "../../../src/image/reference.ts";
import { checkPolicy, loadPolicy } from "../../../src/image/registry/policy.ts";
import { answer, appDocuments, client, serve } from "./registry_double.ts";

const ACCEPT = [{ type: "insecureAcceptAnything" }];
const REJECT = [{ type: "reject" }];

async function policy(content: unknown) {
  const file = await Deno.makeTempFile({ prefix: "crid-policy-" });
  try {
    await Deno.writeTextFile(file, typeof content === "string" ? content : JSON.stringify(content));
    return await loadPolicy(file);
  } finally {
    await Deno.remove(file);
  }
}

describe("policy.json", () => {
  it("decides by the most specific scope", async () => {
    const read = await policy({
      default: REJECT,
      transports: {
        docker: {
          "*.example.com": ACCEPT,
          "r.example.com/bad": REJECT,
          "r.example.com/bad/good:1": ACCEPT,
          "quay.io": ACCEPT,
        },
        atomic: { "": REJECT },
      },
    });
    const allowed = (name: string) => {
      try {
        checkPolicy(read, parseReference(name));
        return true;
      } catch (error) {
        assert.ok(isCode(error, "permission_denied"));
        assert.match(error.message, /^SignatureValidationFailed: .*rejected by policy/);
        return false;
      }
    };
    assert.equal(allowed("r.example.com/app"), true);
    assert.equal(allowed("r.example.com:5000/app"), true);
    assert.equal(allowed("r.example.com/bad/x"), false);
    assert.equal(allowed("r.example.com/bad/good:1"), true);
    assert.equal(allowed("r.example.com/bad/good:2"), false);
    assert.equal(allowed("quay.io/a/b"), true);
    assert.equal(allowed("docker.io/a/b"), false);
    assert.equal(allowed("example.com/app"), false);
  });

  it("refuses images that need a kind of signature that no tool makes, naming it", async () => {
    const read = await policy({
      default: [{ type: "signedBaseLayer", baseLayerIdentity: { type: "matchExact" } }],
    });
    assert.throws(() => checkPolicy(read, parseReference("a.b/c")), /requires signedBaseLayer/);
  });

  for (
    const [what, content] of [
      ["no JSON", "{"],
      ["no default", {}],
      ["an empty list", { default: [] }],
      ["an unknown member", { default: ACCEPT, defualt: [] }],
      ["an unknown type", { default: [{ type: "yes" }] }],
      ["a member too many", { default: [{ type: "reject", not: true }] }],
      ["a list for an object", []],
      ["a member twice", `{"default":[{"type":"reject"}],"default":[{"type":"reject"}]}`],
      [
        "a hidden member twice",
        `{"default":[{"type":"reject","ty\\u0070e":"insecureAcceptAnything"}]}`,
      ],
      ["two keys", {
        default: [{ type: "signedBy", keyType: "GPGKeys", keyPath: "/a", keyData: "b" }],
      }],
      ["keys of another kind", { default: [{ type: "signedBy", keyType: "X509", keyPath: "/a" }] }],
      ["no key", { default: [{ type: "sigstoreSigned" }] }],
      ["Fulcio without Rekor", {
        default: [{
          type: "sigstoreSigned",
          fulcio: { caPath: "/c", oidcIssuer: "https://i", subjectEmail: "a@b" },
        }],
      }],
      ["a PKI without roots", {
        default: [{ type: "sigstoreSigned", pki: { subjectEmail: "a@b" } }],
      }],
      ["a PKI without a subject", {
        default: [{ type: "sigstoreSigned", pki: { caRootsPath: "/c" } }],
      }],
      ["a PKI with Rekor", {
        default: [{
          type: "sigstoreSigned",
          pki: { caRootsPath: "/c", subjectEmail: "a@b" },
          rekorPublicKeyPath: "/r",
        }],
      }],
    ] as const
  ) {
    it(`with ${what} lets nothing through`, async () => {
      await assert.rejects(() => policy(content), (error) => isCode(error, "failed_precondition"));
    });
  }

  it("that is missing lets nothing through", async () => {
    await assert.rejects(() => loadPolicy("/nonexistent/policy.json"), /no image may be pulled/);
  });

  it("of a namespace replaces the policy for its pulls only", async () => {
    await using registry = await serve(answer(appDocuments().documents));
    await using peer = await client(registry.host);
    const { namespacePolicies } = peer.options;
    await Deno.writeTextFile(
      join(namespacePolicies, "locked.json"),
      JSON.stringify({ default: REJECT }),
    );
    await peer.resolve(`${registry.host}/app`);
    await peer.resolve(`${registry.host}/app`, undefined, undefined, "open");
    await peer.resolve(`${registry.host}/app`, undefined, undefined, "../locked");
    await assert.rejects(
      () => peer.resolve(`${registry.host}/app`, undefined, undefined, "locked"),
      /SignatureValidationFailed/,
    );
    assert.ok(registry.requests.length > 0);
  });
});
