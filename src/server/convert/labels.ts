import { CridError } from "../../failure/mod.ts";
import type { StringMap } from "../../pod/mod.ts";

/** Bytes of a label's key and value together. */
const MAX_LABEL = 4096;

/** @throws {CridError} `invalid_argument` for a label that is too long, in CRI-O's words. */
export function readLabels(labels: StringMap): StringMap {
  for (const [key, value] of Object.entries(labels)) {
    // UTF-8 needs at most three bytes for each UTF-16 unit: most need no exact count.
    if ((key.length + value.length) * 3 <= MAX_LABEL) continue;
    if (byteLength(key) + byteLength(value) > MAX_LABEL) {
      throw new CridError(
        "invalid_argument",
        `label key and value greater than maximum size (${MAX_LABEL} bytes), key: ${
          key.slice(0, 10)
        }`,
      );
    }
  }
  return labels;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
