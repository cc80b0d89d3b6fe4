import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { join } from "@std/path";
import { run } from "../../../src/linux/mod.ts";
import {
  createRegistryPeer,
  type RegistryOptions,
  type ResolvedImage,
} from "../../../src/image/mod.ts";
import { loadPolicy } from "../../../src/image/registry/policy.ts";
import { requireAllowed } from "../../../src/image/running_policy.ts";
import { pushTestImages } from "../../images/mod.ts";
import { type Registry, startRegistry } from "../../harness/registry.ts";

let registry: Registry;
let root: string;
let image: string;

const at = (name: string) => join(root, name);
const never = new AbortController().signal;

/**
 * Pulls the manifest under a policy with one requirement, under which it must then run, too; returns how
 * many signatures came along.
 */
async function resolve(requirement: unknown, reference = image): Promise<number> {
  const found = await pulled(requirement, reference);
  await mayRun(found, requirement);
  return found.signatures?.length ?? 0;
}

/** Holds an image of the store against another policy than it was pulled under. */
async function mayRun(found: ResolvedImage, requirement: unknown): Promise<void> {
  await Deno.writeTextFile(at("policy.json"), JSON.stringify({ default: [requirement] }));
  const { manifest, manifestDigest, signatures = [] } = found;
  const data: Record<string, Uint8Array> = {
    manifest,
    [`manifest-${manifestDigest}`]: manifest,
    [`signature-${manifestDigest.replace("sha256:", "")}`]: Buffer.concat(signatures),
  };
  const record = {
    id: found.configDigest.replace("sha256:", ""),
    digest: found.digest,
    digests: [manifestDigest],
    names: [found.name],
    namesHistory: [],
    layer: undefined,
    bigDataNames: Object.keys(data),
    metadata: JSON.stringify({
      "signatures-sizes": { [manifestDigest]: signatures.map(({ length }) => length) },
    }),
    created: undefined,
  };
  const store = { imageData: (_id: string, key: string) => Promise.resolve(data[key]!) };
  const policy = await loadPolicy(at("policy.json"));
  await requireAllowed(policy, { record, reference: found.name }, store);
}

async function pulled(requirement: unknown, reference = image): Promise<ResolvedImage> {
  await Deno.writeTextFile(at("policy.json"), JSON.stringify({ default: [requirement] }));
  const options: RegistryOptions = {
    registries: { conf: at("registries.conf"), dropIns: [], recordedAliases: at("none") },
    shortNameMode: "enforcing",
    policyFile: at("policy.json"),
    namespacePolicies: "",
    authFiles: [],
    certificateDirs: [],
    systemAuthorities: [],
    registriesD: [at("registries.d")],
    userAgent: "crid/test",
    retry: { delayMs: 20 },
  };
  const peer = createRegistryPeer(options);
  const found = await peer.resolve({ reference, auth: undefined, namespace: "" }, never);
  peer.close(found.session);
  return found;
}

async function tool(command: string, args: readonly string[], env = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, {
    timeoutMs: 60_000,
    env: { ...Deno.env.toObject(), GNUPGHOME: at("gnupg"), ...env },
  });
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${decode(stderr)}`);
  return decode(stdout);
}

function decode(bytes: string | Uint8Array): string {
  return typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes);
}

describe("the signatures that a policy asks for", () => {
  before(async () => {
    registry = await startRegistry();
    root = await Deno.makeTempDir({ prefix: "crid-signed-" });
    image = `${registry.host}/crid/oci:latest`;
    await pushTestImages(registry.url, ["crid/oci", "crid/plain"]);
    await Deno.writeTextFile(
      at("registries.conf"),
      `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`,
    );
    await Deno.mkdir(at("registries.d"));
    await Deno.writeTextFile(
      at("registries.d/test.yaml"),
      `docker:\n  ${registry.host}:\n    lookaside: file://${at("lookaside")}\n` +
        `    lookaside-staging: file://${at("lookaside")}\n    use-sigstore-attachments: true\n`,
    );
  });
  after(async () => {
    await run("gpgconf", ["--homedir", at("gnupg"), "--kill", "all"], { timeoutMs: 10_000 });
    await Deno.remove(root, { recursive: true });
    await registry[Symbol.asyncDispose]();
  });

  describe("by OpenPGP (signedBy)", () => {
    const signedBy = (more = {}) => ({
      type: "signedBy",
      keyType: "GPGKeys",
      keyPath: at("good.asc"),
      ...more,
    });

    before(async () => {
      await Deno.mkdir(at("gnupg"), { mode: 0o700 });
      for (const name of ["good", "bad"]) {
        const user = `${name}@example.com`;
        await tool("gpg", [
          ...["--batch", "--passphrase", "", "--pinentry-mode", "loopback"],
          ...["--quick-generate-key", user, "rsa2048", "sign", "never"],
        ]);
        await Deno.writeTextFile(
          at(`${name}.asc`),
          await tool("gpg", ["--armor", "--export", user]),
        );
        await tool("gpg", ["--output", at(`${name}.gpg`), "--export", user]);
      }
      // skopeo itself makes the signature, for a directory, from where it goes to the lookaside.
      await tool("skopeo", [
        ...["copy", "--src-tls-verify=false", "--sign-by", "good@example.com"],
        ...["--sign-identity", image],
        `docker://${image}`,
        `dir:${at("signed")}`,
      ]);
      const digest = await manifestDigest(image);
      const folder = at(`lookaside/crid/oci@${digest.replace(":", "=")}`);
      await Deno.mkdir(folder, { recursive: true });
      await Deno.copyFile(at("signed/signature-1"), join(folder, "signature-1"));
    });

    it("are accepted from the right key, armored or not, in a file or in the policy", async () => {
      assert.equal(await resolve(signedBy()), 1);
      assert.equal(await resolve(signedBy({ keyPath: at("good.gpg") })), 1);
      const keyData = Buffer.from(await Deno.readFile(at("good.gpg"))).toString("base64");
      assert.equal(await resolve({ type: "signedBy", keyType: "GPGKeys", keyData }), 1);
      const keyPaths = [at("bad.asc"), at("good.asc")];
      assert.equal(await resolve({ type: "signedBy", keyType: "GPGKeys", keyPaths }), 1);
    });

    it("are refused from another key", async () => {
      await assert.rejects(
        () => resolve(signedBy({ keyPath: at("bad.asc") })),
        /^CridError: SignatureValidationFailed: .*none of the signatures were accepted/,
      );
    });

    it("keep an image from running that was pulled without them, or has those of another key", async () => {
      const unsigned = await pulled({ type: "insecureAcceptAnything" });
      await assert.rejects(
        () => mayRun(unsigned, signedBy()),
        /^CridError: SignatureValidationFailed: .*no signature exists/,
      );
      await assert.rejects(
        async () => mayRun(await pulled(signedBy()), signedBy({ keyPath: at("bad.asc") })),
        /^CridError: SignatureValidationFailed: .*none of the signatures were accepted/,
      );
      await mayRun(unsigned, { type: "insecureAcceptAnything" });
    });

    it("are refused when there are none", async () => {
      await assert.rejects(
        () => resolve(signedBy(), `${registry.host}/crid/plain:latest`),
        /SignatureValidationFailed: .*no signature exists/,
      );
    });

    it("are for a name, as the policy says which", async () => {
      const identity = (signedIdentity: unknown) => resolve(signedBy({ signedIdentity }));
      assert.equal(await identity({ type: "matchExact" }), 1);
      assert.equal(await identity({ type: "matchRepository" }), 1);
      assert.equal(await identity({ type: "exactReference", dockerReference: image }), 1);
      const [prefix, signedPrefix] = [registry.host, "elsewhere.example.com"];
      await assert.rejects(
        () => identity({ type: "remapIdentity", prefix, signedPrefix }),
        /it is for/,
      );
      const dockerRepository = "example.com/other";
      await assert.rejects(
        () => identity({ type: "exactRepository", dockerRepository }),
        /it is for/,
      );
      const digest = `${registry.host}/crid/oci@${await manifestDigest(image)}`;
      assert.equal(await resolve(signedBy(), digest), 1);
      await tool("skopeo", [
        ...["copy", "--src-tls-verify=false", "--dest-tls-verify=false"],
        ...[`docker://${image}`, `docker://${registry.host}/crid/oci:other`],
      ]);
      await assert.rejects(
        () => resolve(signedBy(), `${registry.host}/crid/oci:other`),
        /it is for/,
      );
    });

    it("are refused when their bytes were changed", async () => {
      const digest = await manifestDigest(image);
      const file = at(`lookaside/crid/oci@${digest.replace(":", "=")}/signature-1`);
      const good = await Deno.readFile(file);
      try {
        // What is around the signed data in the message may change without a difference.
        const changed = good.slice();
        changed[Math.floor(good.length / 2)]! ^= 0x55;
        await Deno.writeFile(file, changed);
        await assert.rejects(() => resolve(signedBy()), /SignatureValidationFailed/);
      } finally {
        await Deno.writeFile(file, good);
      }
    });
  });

  describe("by sigstore (sigstoreSigned)", () => {
    const signer = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const log = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }) as string;
    const data = (key: KeyObject) => Buffer.from(pem(key)).toString("base64");

    before(async () => {
      const payload = Buffer.from(JSON.stringify({
        critical: {
          identity: { "docker-reference": image },
          image: { "docker-manifest-digest": await manifestDigest(image) },
          type: "cosign container image signature",
        },
        optional: null,
      }));
      const signature = sign("sha256", payload, signer.privateKey).toString("base64");
      const body = Buffer.from(JSON.stringify({
        apiVersion: "0.0.1",
        kind: "hashedrekord",
        spec: {
          data: { hash: { algorithm: "sha256", value: hex(payload) } },
          signature: { content: signature, publicKey: { content: data(signer.publicKey) } },
        },
      })).toString("base64");
      const entry = { body, integratedTime: 1_700_000_000, logID: "ab", logIndex: 1 };
      const stamp = sign("sha256", Buffer.from(JSON.stringify(entry)), log.privateKey);
      await attach(payload, {
        "dev.cosignproject.cosign/signature": signature,
        "dev.sigstore.cosign/bundle": JSON.stringify({
          SignedEntryTimestamp: stamp.toString("base64"),
          Payload: entry,
        }),
      });
    });

    it("are accepted from the right key, and from the log that saw it", async () => {
      const keyData = data(signer.publicKey);
      assert.equal(await resolve({ type: "sigstoreSigned", keyData }), 1);
      const rekorPublicKeyData = data(log.publicKey);
      assert.equal(await resolve({ type: "sigstoreSigned", keyData, rekorPublicKeyData }), 1);
    });

    it("are refused from another key, another log, and for another image", async () => {
      const keyData = data(signer.publicKey);
      const other = data(log.publicKey);
      await assert.rejects(
        () => resolve({ type: "sigstoreSigned", keyData: other }),
        /SignatureValidationFailed.*none of the keys/,
      );
      await assert.rejects(
        () => resolve({ type: "sigstoreSigned", keyData, rekorPublicKeyData: keyData }),
        /not signed by the transparency log/,
      );
      await assert.rejects(
        () => resolve({ type: "sigstoreSigned", keyData }, `${registry.host}/crid/plain:latest`),
        /no signature exists/,
      );
    });
  });

  describe("by certificates (sigstoreSigned with fulcio or pki)", () => {
    const EMAIL = "signer@example.com";
    const ISSUER = "https://issuer.example.com";
    const log = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const rekorPublicKeyData = Buffer.from(
      log.publicKey.export({ type: "spki", format: "pem" }) as string,
    ).toString("base64");
    const certificate = (name: string) => Deno.readTextFileSync(at(`pki/${name}.pem`));
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    let payload: Buffer;

    /** Makes a certificate that `issuer` signs, or the root. */
    async function issue(
      name: string,
      issuer: string | undefined,
      extensions: readonly string[],
      [from, to] = ["20200101000000Z", "20991231000000Z"],
    ): Promise<void> {
      const key = at(`pki/${name}.key`);
      const config = at(`pki/${name}.conf`);
      await Deno.writeTextFile(config, `[ext]\n${extensions.join("\n")}\n[ca]\n`);
      await tool("openssl", [
        ...["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key],
      ]);
      const request = at(`pki/${name}.csr`);
      await tool("openssl", ["req", "-new", "-key", key, "-subj", `/CN=${name}`, "-out", request]);
      await Deno.writeTextFile(at("pki/index"), "");
      await Deno.writeTextFile(
        at("pki/ca.conf"),
        [
          ...["[ca]", "default_ca=x", "[x]", `database=${at("pki/index")}`, "policy=p"],
          ...[`new_certs_dir=${at("pki")}`, "default_md=sha256", "rand_serial=yes"],
          ...["unique_subject=no", "[p]", "commonName=supplied"],
        ].join("\n"),
      );
      const signer = issuer === undefined
        ? ["-selfsign", "-keyfile", key]
        : ["-cert", at(`pki/${issuer}.pem`), "-keyfile", at(`pki/${issuer}.key`)];
      await tool("openssl", [
        ...["ca", "-batch", "-notext", "-config", at("pki/ca.conf"), ...signer],
        ...["-extfile", config, "-extensions", "ext", "-startdate", from!, "-enddate", to!],
        ...["-in", request, "-out", at(`pki/${name}.pem`)],
      ]);
    }

    /** Signs with the key of a certificate, and has the log see it. */
    async function signWith(name: string, chain: readonly string[], seen: string): Promise<void> {
      const key = createPrivateKey(await Deno.readTextFile(at(`pki/${name}.key`)));
      const signature = sign("sha256", payload, key).toString("base64");
      const body = base64(JSON.stringify({
        apiVersion: "0.0.1",
        kind: "hashedrekord",
        spec: {
          data: { hash: { algorithm: "sha256", value: hex(payload) } },
          signature: {
            content: signature,
            publicKey: { content: base64(certificate(name)) },
          },
        },
      }));
      const integratedTime = Date.parse(seen) / 1000;
      const entry = { body, integratedTime, logID: "ab", logIndex: 1 };
      const stamp = sign("sha256", Buffer.from(JSON.stringify(entry)), log.privateKey);
      await attach(payload, {
        "dev.cosignproject.cosign/signature": signature,
        "dev.sigstore.cosign/certificate": certificate(name),
        "dev.sigstore.cosign/chain": chain.map(certificate).join("\n"),
        "dev.sigstore.cosign/bundle": JSON.stringify({
          SignedEntryTimestamp: stamp.toString("base64"),
          Payload: entry,
        }),
      });
    }

    const fulcio = (more: Record<string, string> = {}) => ({
      type: "sigstoreSigned",
      fulcio: { caPath: at("pki/root.pem"), oidcIssuer: ISSUER, subjectEmail: EMAIL, ...more },
      rekorPublicKeyData,
    });
    const pki = (more: Record<string, string> = {}) => ({
      type: "sigstoreSigned",
      pki: { caRootsPath: at("pki/root.pem"), subjectEmail: EMAIL, ...more },
    });
    const SHORT: [string, string] = ["20240101000000Z", "20240101001000Z"];
    const IN_TIME = "2024-01-01T00:05:00Z";
    const LEAF = ["keyUsage=critical,digitalSignature", "extendedKeyUsage=codeSigning"];
    const CA = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
    const SAN = `subjectAltName=critical,email:${EMAIL}`;

    before(async () => {
      await Deno.mkdir(at("pki"));
      payload = Buffer.from(JSON.stringify({
        critical: {
          identity: { "docker-reference": image },
          image: { "docker-manifest-digest": await manifestDigest(image) },
          type: "cosign container image signature",
        },
        optional: null,
      }));
      await issue("root", undefined, CA);
      await issue("other", undefined, CA);
      await issue("between", "root", CA);
      await issue("shallow", "root", ["basicConstraints=critical,CA:TRUE,pathlen:0", CA[1]!]);
      await issue("deep", "shallow", CA);
      // Fulcio's two forms of the issuer's extension.
      const plain = `1.3.6.1.4.1.57264.1.1=DER:${Buffer.from(ISSUER).toString("hex")}`;
      const string = `1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:${ISSUER}`;
      await issue("keyless", "between", [...LEAF, SAN, plain], SHORT);
      await issue("keyless2", "between", [...LEAF, SAN, string], SHORT);
      await issue("long", "between", [...LEAF, `${SAN},DNS:*.example.org`]);
      await issue("expired", "between", [...LEAF, SAN], SHORT);
      await issue("server", "between", [LEAF[0]!, "extendedKeyUsage=serverAuth", SAN]);
      await issue("leaf-of-leaf", "long", [...LEAF, SAN]);
      await issue("too-deep", "deep", [...LEAF, SAN]);
      await issue("odd", "between", [...LEAF, SAN, "1.2.3.4=critical,DER:0500"]);
    });

    for (const name of ["keyless", "keyless2"]) {
      it(`are accepted from Fulcio for the right identity: ${name}`, async () => {
        await signWith(name, ["between", "root"], IN_TIME);
        assert.equal(await resolve(fulcio()), 1);
        await assert.rejects(
          () => resolve(fulcio({ subjectEmail: "other@example.com" })),
          /SignatureValidationFailed.*made by "signer@example.com"/,
        );
        await assert.rejects(
          () => resolve(fulcio({ oidcIssuer: "https://other.example.com" })),
          /made by an identity of "https:\/\/issuer/,
        );
        await assert.rejects(
          () => resolve(fulcio({ caPath: at("pki/other.pem") })),
          /no known authority/,
        );
      });
    }

    it("are refused from Fulcio when the log saw them too late", async () => {
      await signWith("keyless", ["between", "root"], "2024-01-01T00:11:00Z");
      await assert.rejects(() => resolve(fulcio()), /not valid when it was used/);
    });

    it("are accepted from one's own authority (pki), by e-mail address and by host", async () => {
      await signWith("long", ["between", "root"], IN_TIME);
      assert.equal(await resolve(pki()), 1);
      assert.equal(await resolve(pki({ subjectHostname: "build.example.org" })), 1);
      await assert.rejects(
        () => resolve(pki({ subjectHostname: "a.build.example.org" })),
        /SignatureValidationFailed.*made by/,
      );
      await assert.rejects(() => resolve(pki({ subjectEmail: "a@b.c" })), /made by/);
      await signWith("long", [], IN_TIME);
      await assert.rejects(() => resolve(pki()), /no known authority/);
      const caIntermediatesData = base64(certificate("between"));
      assert.equal(await resolve(pki({ caIntermediatesData })), 1);
    });

    for (
      const [name, chain, why] of [
        ["expired", ["between"], /not valid when it was used/],
        ["server", ["between"], /not for signing code/],
        ["leaf-of-leaf", ["long", "between"], /no known authority/],
        ["too-deep", ["deep", "shallow"], /no known authority/],
        ["odd", ["between"], /critical extension 1\.2\.3\.4/],
      ] as const
    ) {
      it(`are refused by pki from a certificate that is bad: ${name}`, async () => {
        await signWith(name, chain, IN_TIME);
        await assert.rejects(() => resolve(pki()), why);
      });
    }
  });
});

async function manifestDigest(reference: string): Promise<string> {
  const raw = await tool("skopeo", [
    "inspect",
    "--tls-verify=false",
    "--raw",
    `docker://${reference}`,
  ]);
  return `sha256:${hex(Buffer.from(raw))}`;
}

function hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Attaches a signature to the image as cosign does. */
async function attach(payload: Uint8Array, annotations: Record<string, string>): Promise<void> {
  const layer = await upload(payload);
  const config = await upload(new TextEncoder().encode("{}"));
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { ...config, mediaType: "application/vnd.oci.image.config.v1+json" },
    layers: [{
      ...layer,
      mediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
      annotations,
    }],
  };
  const tag = `${(await manifestDigest(image)).replace(":", "-")}.sig`;
  const response = await fetch(`${registry.url}/v2/crid/oci/manifests/${tag}`, {
    method: "PUT",
    headers: { "content-type": manifest.mediaType },
    body: JSON.stringify(manifest),
  });
  await response.body?.cancel();
  assert.equal(response.status, 201);
}

async function upload(bytes: Uint8Array): Promise<{ digest: string; size: number }> {
  const digest = `sha256:${hex(bytes)}`;
  const begun = await fetch(`${registry.url}/v2/crid/oci/blobs/uploads/`, { method: "POST" });
  await begun.body?.cancel();
  const url = new URL(begun.headers.get("location")!, registry.url);
  url.searchParams.set("digest", digest);
  const done = await fetch(url, { method: "PUT", body: bytes.slice() });
  await done.body?.cancel();
  assert.equal(done.status, 201);
  return { digest, size: bytes.length };
}
