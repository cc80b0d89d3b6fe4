/**
 * policy.json: which images may be pulled, containers-policy.json(5).
 *
 * @module
 */

import { dirname, join } from "@std/path";
import { CridError, errorMessage } from "../../failure/mod.ts";
import { quote } from "../digest.ts";
import { members, parseRequirement, type PolicyRequirement } from "../signature/requirement.ts";
import { parseStrict } from "../signature/strict_json.ts";
import type { ArchiveName } from "../transports/transport_name.ts";
import { formatReference, type ImageReference, repositoryName } from "../reference.ts";

/** A policy file. */
export interface Policy {
  readonly default: readonly PolicyRequirement[];
  /** Requirements by transport and scope; registries are `docker`. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, readonly PolicyRequirement[]>>;
  readonly file: string;
}

/** Where policies are. */
export interface PolicyFiles {
  readonly policyFile: string;
  /** `signature_policy_dir`: one file for each pod namespace that has one of its own. */
  readonly namespacePolicies: string;
}

/** Whether it lets every image through, unsigned ones too, as the policies of most nodes do. */
export function acceptsAnything(policy: Policy): boolean {
  const lists = [...policy.transports.values()].flatMap((scopes) => [...scopes.values()]);
  return [policy.default, ...lists].flat().every(({ type }) => type === "insecureAcceptAnything");
}

/** The policy's file for images of a namespace. */
export async function policyFileFor(namespace: string, files: PolicyFiles): Promise<string> {
  const { policyFile, namespacePolicies } = files;
  // Whatever is no name of a namespace must not become a path.
  if (namespacePolicies === "" || !/^[a-z0-9][a-z0-9.-]*$/.test(namespace)) return policyFile;
  const file = join(namespacePolicies, `${namespace}.json`);
  const there = await Deno.stat(file).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
  return there ? file : policyFile;
}

/**
 * Reads a policy. As in all container tools, anything unknown in it is an error: a policy that is not
 * understood must not let images through.
 *
 * @throws {CridError} `failed_precondition` naming the file.
 */
export async function loadPolicy(file: string): Promise<Policy> {
  try {
    return parsePolicy(file, parseStrict(await Deno.readTextFile(file)));
  } catch (error) {
    const hint = error instanceof Deno.errors.NotFound
      ? "; without a policy no image may be pulled"
      : "";
    throw new CridError(
      "failed_precondition",
      `read the signature policy ${file}: ${errorMessage(error)}${hint}`,
      { cause: error },
    );
  }
}

function parsePolicy(file: string, json: unknown): Policy {
  const root = members(json, "the policy", ["default", "transports"]);
  const byTransport = new Map<string, Map<string, readonly PolicyRequirement[]>>();
  if (root.default === undefined) throw new Error("default is missing");
  const transports = root.transports === undefined ? {} : members(root.transports, "transports");
  for (const [transport, scopes] of Object.entries(transports)) {
    const parsed = new Map<string, readonly PolicyRequirement[]>();
    for (const [scope, list] of Object.entries(members(scopes, `transports.${transport}`))) {
      parsed.set(scope, requirements(list, `transports.${transport}.${quote(scope)}`));
    }
    byTransport.set(transport, parsed);
  }
  return { file, transports: byTransport, default: requirements(root.default, "default") };
}

function requirements(value: unknown, where: string): PolicyRequirement[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new Error(`${where} is no list, or an empty one`);
  }
  return value.map((item) => parseRequirement(item, where));
}

/**
 * The requirements for images of this name: those of the most specific scope that the policy has.
 * Scopes go from the full reference over the repository, its parents, the host and the domains above it
 * to the default of all registries and the default of all.
 */
export function requirementsFor(
  policy: Policy,
  reference: ImageReference,
): readonly PolicyRequirement[] {
  return requirementsAt(policy, "docker", scopes(reference));
}

function requirementsAt(
  policy: Policy,
  transport: string,
  scopes: Iterable<string>,
): readonly PolicyRequirement[] {
  for (const scope of scopes) {
    const found = policy.transports.get(transport)?.get(scope);
    if (found !== undefined) return found;
  }
  return policy.default;
}

function* scopes(reference: ImageReference): Generator<string> {
  yield formatReference(reference);
  for (
    let name = repositoryName(reference);
    name.includes("/");
    name = name.slice(0, name.lastIndexOf("/"))
  ) yield name;
  yield reference.domain;
  const hostname = reference.domain.replace(/:[0-9]+$/, "");
  for (let dot = hostname.indexOf("."); dot >= 0; dot = hostname.indexOf(".", dot + 1)) {
    yield `*${hostname.slice(dot)}`;
  }
  yield "";
}

/**
 * Refuses an image that the policy rejects whatever its signatures are.
 *
 * @throws {CridError} `permission_denied`, with the words that the kubelet looks for.
 */
export function checkPolicy(policy: Policy, reference: ImageReference): void {
  for (const { type } of requirementsFor(policy, reference)) {
    if (type !== "reject" && type !== "signedBaseLayer") continue;
    const why = type === "reject"
      ? `running image ${formatReference(reference)} is rejected by policy`
      : `policy requires ${type}, which no tool implements`;
    throw new CridError(
      "permission_denied",
      `SignatureValidationFailed: source image rejected: ${why} (${policy.file})`,
    );
  }
}

/**
 * Refuses an archive that the policy rejects. Scopes are its path and the directories above it, for an
 * archive of `docker save` only the default of the transport. No archive brings signatures along.
 *
 * @throws {CridError} `permission_denied`.
 */
export function checkArchivePolicy(policy: Policy, { kind, path }: ArchiveName): void {
  const scopes = kind === "docker-archive" ? [""] : [...pathScopes(path), ""];
  for (const { type } of requirementsAt(policy, kind, scopes)) {
    if (type === "insecureAcceptAnything") continue;
    const why = type === "reject"
      ? "it is rejected by policy"
      : `policy requires ${type}, and an archive has no signatures`;
    throw new CridError(
      "permission_denied",
      `SignatureValidationFailed: source image rejected: ${kind}:${path}: ${why} (${policy.file})`,
    );
  }
}

function* pathScopes(path: string): Generator<string> {
  for (let at = path; at !== "/" && at !== "" && at !== "."; at = dirname(at)) yield at;
}
