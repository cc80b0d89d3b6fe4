import { CridError } from "../../failure/mod.ts";
import { parseLabel } from "./label.ts";

/** Categories of the common policies, `c0` to `c1023`. */
const CATEGORIES = 1024;
/** With every second pair taken, so many misses in a row do not happen. */
const TRIES = 1000;

/**
 * A level of two categories, `s0:c17,c203`, that none of `labels` has: what runs at it can use no
 * file of another level.
 *
 * @param labels Those in use.
 * @param categories How many the policy has.
 */
export function freeLevel(labels: Iterable<string>, categories = CATEGORIES): string {
  const taken = new Set(Array.from(labels, (label) => inOrder(parseLabel(label).level)));
  for (let tries = 0; tries < TRIES; tries++) {
    const [one = 0, other = 0] = crypto.getRandomValues(new Uint16Array(2))
      .map((each) => each % categories);
    const level = `s0:c${Math.min(one, other)},c${Math.max(one, other)}`;
    if (one !== other && !taken.has(level)) return level;
  }
  throw new CridError(
    "resource_exhausted",
    `find an SELinux level for a pod: ${taken.size} of them are in use`,
  );
}

/** Clients may write categories in any order. */
function inOrder(level: string): string {
  const [, sensitivity, one, other] = /^(s\d+):c(\d+),c(\d+)$/.exec(level) ?? [];
  if (sensitivity === undefined || Number(one) < Number(other)) return level;
  return `${sensitivity}:c${other},c${one}`;
}
