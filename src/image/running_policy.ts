import { CridError } from "../failure/mod.ts";
import type { ImageRecord, Store } from "../storage/mod.ts";
import { sha256 } from "./digest.ts";
import { parseReference } from "./reference.ts";
import { checkPolicy, type Policy, requirementsFor } from "./registry/policy.ts";
import { storedManifests } from "./signature/stored.ts";
import { verifyStored } from "./signature/verify.ts";

/** An image of the store that a container is to run. */
export interface RunningImage {
  readonly record: ImageRecord;
  /** What the pod's author has written; `""` when only the id is known. */
  readonly reference: string;
}

/**
 * Holds an image against a policy that may be another one than when it was pulled, by the signatures that
 * were kept then (containers/image, `IsRunningImageAllowed`).
 *
 * @throws {CridError} `permission_denied` in the words that the kubelet looks for.
 */
export async function requireAllowed(
  policy: Policy,
  { record, reference }: RunningImage,
  store: Pick<Store, "imageData">,
): Promise<void> {
  if (reference === "") {
    throw new CridError(
      "permission_denied",
      "user specified image not specified, cannot verify image signature",
    );
  }
  const name = parseReference(reference);
  checkPolicy(policy, name);
  const requirements = requirementsFor(policy, name);
  if (requirements.every(({ type }) => type === "insecureAcceptAnything")) return;
  const manifests = await storedManifests(store, record);
  const [first, ...others] = manifests.length > 0
    ? manifests
    : [{ digest: sha256(await store.imageData(record.id, "manifest")), signatures: [] }];
  for (const manifest of [...others, first]) {
    if (manifest === undefined) continue;
    try {
      const image = { name, manifestDigest: manifest.digest, policyFile: policy.file };
      return await verifyStored(requirements, image, manifest.signatures);
    } catch (error) {
      if (manifest === first) throw error;
    }
  }
}
