import { kernelFileExists } from "../linux/mod.ts";
import { readNumber, tighter } from "./values.ts";

/**
 * crun may put a container into a child named `container` and set the limits only there; what is
 * used is counted above too.
 */
export function innerCgroup(place: string): string | undefined {
  const inner = `${place}/container`;
  return kernelFileExists(`${inner}/cgroup.procs`) ? inner : undefined;
}

/** The tighter of a cgroup's and its inner cgroup's limit. */
export function readLimit(place: string, inner: string | undefined, file: string): number {
  const outer = readNumber(`${place}/${file}`);
  return inner === undefined ? outer : tighter(outer, readNumber(`${inner}/${file}`));
}
