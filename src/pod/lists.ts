import type { PodContext } from "./context.ts";
import type { IdIndex } from "./id_index.ts";
import type {
  ContainerFilter,
  ContainerView,
  SandboxFilter,
  SandboxView,
  StringMap,
} from "./types.ts";

/** The sandboxes that a filter lets through, of those that a client has heard of. */
export function listSandboxes(
  context: PodContext,
  filter: SandboxFilter,
): readonly SandboxView[] {
  const views: SandboxView[] = [];
  for (const sandbox of matching(context.sandboxes, filter.id)) {
    if (!sandbox.visible) continue;
    const view = sandbox.view();
    if (filter.state !== undefined && view.state !== filter.state) continue;
    if (hasLabels(view.labels, filter.labels)) views.push(view);
  }
  return views;
}

/** The containers that a filter lets through, of those that a client has heard of. */
export function listContainers(
  context: PodContext,
  filter: ContainerFilter,
): readonly ContainerView[] {
  const sandboxId = filter.sandboxId === undefined || filter.sandboxId === ""
    ? undefined
    : context.sandboxes.find(filter.sandboxId)?.id ?? "";
  const views: ContainerView[] = [];
  for (const container of matching(context.containers, filter.id)) {
    if (!container.visible) continue;
    const view = container.view();
    if (sandboxId !== undefined && view.sandboxId !== sandboxId) continue;
    if (filter.state !== undefined && view.state !== filter.state) continue;
    if (hasLabels(view.labels, filter.labels)) views.push(view);
  }
  return views;
}

/** All, or the one that `id` means; an id that means nothing matches nothing. */
function matching<T extends { readonly id: string }>(
  index: IdIndex<T>,
  id: string | undefined,
): Iterable<T> {
  if (id === undefined || id === "") return index.values();
  const found = index.find(id);
  return found === undefined ? [] : [found];
}

function hasLabels(labels: StringMap, wanted: StringMap | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labels[key] === value);
}
