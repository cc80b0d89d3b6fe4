/**
 * The requirements of policy.json, containers-policy.json(5).
 *
 * @module
 */

import { parseReference, splitReference } from "../reference.ts";

/** Which name a signature must be for. */
export type SignedIdentity =
  | { readonly type: "matchExact" | "matchRepoDigestOrExact" | "matchRepository" }
  | { readonly type: "exactReference"; readonly reference: string }
  | { readonly type: "exactRepository"; readonly repository: string }
  | { readonly type: "remapIdentity"; readonly prefix: string; readonly signedPrefix: string };

/** A file, or its content in base64. */
export type Material = { readonly path: string } | { readonly data: string };

/** One requirement of a policy. */
export type PolicyRequirement =
  | { readonly type: "insecureAcceptAnything" | "reject" | "signedBaseLayer" }
  | {
    readonly type: "signedBy";
    readonly keys: readonly Material[];
    readonly identity: SignedIdentity;
  }
  | {
    readonly type: "sigstoreSigned";
    readonly trust: SigstoreTrust;
    /** Public keys of the transparency log; one of them must have seen the signature. */
    readonly rekorKeys: readonly Material[];
    readonly identity: SignedIdentity;
  };

/** Whose sigstore signatures are good. */
export type SigstoreTrust =
  | { readonly kind: "keys"; readonly keys: readonly Material[] }
  | {
    readonly kind: "fulcio";
    readonly ca: Material;
    readonly oidcIssuer: string;
    readonly subjectEmail: string;
  }
  | {
    readonly kind: "pki";
    readonly roots: Material;
    readonly intermediates: Material | undefined;
    readonly subjectEmail: string | undefined;
    readonly subjectHostname: string | undefined;
  };

type Json = Record<string, unknown>;

/**
 * Reads one requirement. Whatever is not understood is an error.
 *
 * @throws {Error} without the file's name.
 */
export function parseRequirement(value: unknown, where: string): PolicyRequirement {
  const json = members(value, where);
  switch (json.type) {
    case "insecureAcceptAnything":
    case "reject":
      members(json, where, ["type"]);
      return { type: json.type };
    case "signedBaseLayer":
      members(json, where, ["type", "baseLayerIdentity"]);
      parseIdentity(json.baseLayerIdentity, where);
      return { type: "signedBaseLayer" };
    case "signedBy":
      return parseSignedBy(json, where);
    case "sigstoreSigned":
      return parseSigstore(json, where);
  }
  throw new Error(`${where}: unknown requirement type ${JSON.stringify(json.type)}`);
}

function parseSignedBy(json: Json, where: string): PolicyRequirement {
  members(json, where, ["type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"]);
  if (json.keyType !== "GPGKeys") {
    throw new Error(`${where}: keyType ${JSON.stringify(json.keyType)} is not GPGKeys`);
  }
  const keys = materials(json, ["keyPath", "keyPaths", "keyData"]);
  if (keys?.length === undefined) {
    throw new Error(`${where}: signedBy needs exactly one of keyPath, keyPaths, keyData`);
  }
  return { type: "signedBy", keys, identity: parseIdentity(json.signedIdentity, where) };
}

const REKOR = [
  "rekorPublicKeyPath",
  "rekorPublicKeyPaths",
  "rekorPublicKeyData",
  "rekorPublicKeyDatas",
] as const;
const KEYS = ["keyPath", "keyPaths", "keyData", "keyDatas"] as const;

function parseSigstore(json: Json, where: string): PolicyRequirement {
  members(json, where, ["type", ...KEYS, "fulcio", "pki", ...REKOR, "signedIdentity"]);
  const given = [...KEYS, "fulcio", "pki"].filter((name) => json[name] !== undefined);
  if (given.length !== 1) {
    throw new Error(
      `${where}: sigstoreSigned needs exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio, pki`,
    );
  }
  const hasRekor = REKOR.some((name) => json[name] !== undefined);
  const rekorKeys = hasRekor ? materials(json, REKOR) : [];
  if (rekorKeys === undefined) throw new Error(`${where}: more than one of ${REKOR.join(", ")}`);
  const identity = parseIdentity(json.signedIdentity, where);
  const trust = parseTrust(json, where);
  if (trust.kind === "fulcio" && rekorKeys.length === 0) {
    throw new Error(`${where}: fulcio needs the public key of Rekor`);
  }
  if (trust.kind === "pki" && hasRekor) throw new Error(`${where}: pki goes without Rekor`);
  return { type: "sigstoreSigned", trust, rekorKeys, identity };
}

function parseTrust(json: Json, where: string): SigstoreTrust {
  if (json.fulcio !== undefined) {
    const at = `${where}: fulcio`;
    const fulcio = members(json.fulcio, at, ["caPath", "caData", "oidcIssuer", "subjectEmail"]);
    const ca = materials(fulcio, ["caPath", "caData"]);
    if (ca?.[0] === undefined) throw new Error(`${at} needs exactly one of caPath, caData`);
    return {
      kind: "fulcio",
      ca: ca[0],
      oidcIssuer: required(fulcio, "oidcIssuer", at),
      subjectEmail: required(fulcio, "subjectEmail", at),
    };
  }
  if (json.pki !== undefined) return parsePki(json.pki, `${where}: pki`);
  const keys = materials(json, KEYS);
  if (keys === undefined || keys.length === 0) throw new Error(`${where}: there is no key`);
  return { kind: "keys", keys };
}

function parsePki(value: unknown, where: string): SigstoreTrust {
  const between = ["caIntermediatesPath", "caIntermediatesData"] as const;
  const pki = members(value, where, [
    ...["caRootsPath", "caRootsData", ...between, "subjectEmail", "subjectHostname"],
  ]);
  const [roots] = materials(pki, ["caRootsPath", "caRootsData"]) ?? [];
  if (roots === undefined) {
    throw new Error(`${where} needs exactly one of caRootsPath, caRootsData`);
  }
  const hasBetween = between.some((name) => pki[name] !== undefined);
  const [intermediates] = hasBetween ? materials(pki, between) ?? [] : [];
  if (hasBetween && intermediates === undefined) {
    throw new Error(`${where}: more than one of ${between.join(", ")}`);
  }
  const [subjectEmail, subjectHostname] = (["subjectEmail", "subjectHostname"] as const)
    .map((name) => pki[name] === undefined ? undefined : required(pki, name, where));
  if (subjectEmail === undefined && subjectHostname === undefined) {
    throw new Error(`${where} needs subjectEmail, subjectHostname or both`);
  }
  return { kind: "pki", roots, intermediates, subjectEmail, subjectHostname };
}

/** The one of these members that is there; `undefined` when none is, or more than one. */
function materials(json: Json, names: readonly string[]): readonly Material[] | undefined {
  const [name, second] = names.filter((each) => json[each] !== undefined);
  if (name === undefined || second !== undefined) return undefined;
  const values = [json[name]].flat();
  if (!values.every((each) => typeof each === "string" && each !== "") || values.length === 0) {
    throw new Error(`${name} is no text, or an empty one`);
  }
  const isPath = /Paths?$/.test(name);
  return values.map((text) => isPath ? { path: text as string } : { data: text as string });
}

function parseIdentity(value: unknown, where: string): SignedIdentity {
  if (value === undefined) return { type: "matchRepoDigestOrExact" };
  const at = `${where}: signedIdentity`;
  const json = members(value, at);
  switch (json.type) {
    case "matchExact":
    case "matchRepoDigestOrExact":
    case "matchRepository":
      members(json, at, ["type"]);
      return { type: json.type };
    case "exactReference": {
      members(json, at, ["type", "dockerReference"]);
      const reference = required(json, "dockerReference", at);
      const { tag, digest } = splitReference(reference);
      if (tag === undefined && digest === undefined) {
        throw new Error(`${at}: dockerReference has neither tag nor digest`);
      }
      return { type: json.type, reference };
    }
    case "exactRepository": {
      members(json, at, ["type", "dockerRepository"]);
      const repository = required(json, "dockerRepository", at);
      parseReference(repository);
      return { type: json.type, repository };
    }
    case "remapIdentity":
      members(json, at, ["type", "prefix", "signedPrefix"]);
      return {
        type: json.type,
        prefix: required(json, "prefix", at),
        signedPrefix: required(json, "signedPrefix", at),
      };
  }
  throw new Error(`${at}: unknown type ${JSON.stringify(json.type)}`);
}

function required(json: Json, name: string, where: string): string {
  const value = json[name];
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`${where}: ${name} is missing`);
}

/** An object with these members at most. @throws {Error} */
export function members(value: unknown, where: string, known?: readonly string[]): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${where} is no object`);
  }
  const unknown = known && Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new Error(`${where}: unknown member ${JSON.stringify(unknown)}`);
  }
  return value as Json;
}
