import { GATED_ANNOTATIONS } from "../config/mod.ts";
import type { RuntimeHandler } from "../oci/mod.ts";
import type { StringMap } from "./types.ts";
import type { Workload } from "./workloads.ts";

/** The gated annotations that a pod may use: its handler's, and those of its workload. */
export function allowedFor(
  { allowedAnnotations }: Pick<RuntimeHandler, "allowedAnnotations">,
  workload: Workload | undefined,
): readonly string[] {
  return [...allowedAnnotations, ...workload?.allowedAnnotations ?? []];
}

/**
 * Drops, without a word, the annotations that change how a container is run and are not allowed.
 * As in CRI-O a gated name stands for everything that begins with it, and each of the two names of
 * one annotation is allowed for itself.
 */
export function allowedAnnotations(
  annotations: StringMap,
  allowed: readonly string[],
): StringMap {
  const dropped = GATED_ANNOTATIONS.filter((name) => !allowed.includes(name));
  return Object.fromEntries(
    Object.entries(annotations).filter(([key]) => !dropped.some((name) => key.startsWith(name))),
  );
}
