import { hasIdMaps, specIdMaps } from "../../security/mod.ts";
import type { NamespaceRef } from "../types.ts";
import { isPrivileged, type SpecDraft } from "./draft.ts";

/** Joined and own namespaces, the host name in them, and the id maps of an own user namespace. */
export function namespacesStage(draft: SpecDraft): void {
  const { input, defaults, spec } = draft;
  const namespaces: NamespaceRef[] = input.namespaces.map((each) => ({ ...each }));
  const has = (type: NamespaceRef["type"]) => namespaces.some((each) => each.type === type);
  if (!has("mount")) namespaces.push({ type: "mount" });
  if (!has("pid") && input.security.namespaces.pid !== "node") namespaces.push({ type: "pid" });
  if (!has("cgroup") && defaults.cgroup.version === 2 && !isPrivileged(draft)) {
    namespaces.push({ type: "cgroup" });
  }
  spec.linux.namespaces = namespaces;
  // Without an own UTS namespace it would be the host's name.
  if (has("uts") && input.hostname !== "") spec.hostname = input.hostname;
  if (has("user") && hasIdMaps(input.idMaps)) {
    spec.linux.uidMappings = specIdMaps(input.idMaps.uids);
    spec.linux.gidMappings = specIdMaps(input.idMaps.gids);
  }
}
