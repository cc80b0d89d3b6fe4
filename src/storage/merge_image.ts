import { createHash } from "node:crypto";
import { dictionary } from "./image_records.ts";
import type { JsonRecord } from "./json_file.ts";
import { strings } from "./layers.ts";
import type { NewImage } from "./types.ts";

/** Where metadata has the lengths of an image's signatures, by the digest of the manifest. */
const SIGNATURE_SIZES = "signatures-sizes";

/** The record of an image; what is there of it already stays. */
export function mergeImage(known: JsonRecord | undefined, image: NewImage): JsonRecord {
  const keys = new Set(strings(known?.["big-data-names"]));
  const sizes = { ...dictionary(known?.["big-data-sizes"]) };
  const digests = { ...dictionary(known?.["big-data-digests"]) };
  for (const [key, data] of image.bigData) {
    keys.add(key);
    sizes[key] = data.length;
    digests[key] = `sha256:${createHash("sha256").update(data).digest("hex")}`;
  }
  const created = known?.["created"] ?? image.created?.toISOString() ?? new Date().toISOString();
  return {
    ...known,
    id: image.id,
    digest: image.digest,
    ...nameMembers(
      [...image.names, ...strings(known?.["names"])],
      strings(known?.["names-history"]),
    ),
    ...(image.layer === undefined ? {} : { layer: image.layer }),
    metadata: mergedMetadata(known?.["metadata"], image.metadata),
    "big-data-names": [...keys],
    "big-data-sizes": sizes,
    "big-data-digests": digests,
    created,
  };
}

/** The members of a record that hold names: present ones, and with them those that it ever had. */
export function nameMembers(
  names: readonly string[],
  history: readonly string[],
): { names?: readonly string[]; "names-history": readonly string[] } {
  return { names: [...new Set(names)], "names-history": [...new Set([...names, ...history])] };
}

/** The signatures that are there already stay, and so does what is said of them. */
function mergedMetadata(known: unknown, fresh: string): string {
  const [before, now] = [parsedObject(known), parsedObject(fresh)];
  const sizes = { ...dictionary(before[SIGNATURE_SIZES]), ...dictionary(now[SIGNATURE_SIZES]) };
  return JSON.stringify({
    ...before,
    ...now,
    ...(Object.keys(sizes).length === 0 ? {} : { [SIGNATURE_SIZES]: sizes }),
  });
}

/** JSON text that another tool may have written; `{}` for anything that is no object. */
function parsedObject(value: unknown): Readonly<Record<string, unknown>> {
  try {
    return dictionary(JSON.parse(String(value)));
  } catch {
    return {};
  }
}
