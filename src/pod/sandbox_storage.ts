import type { IdMaps, RuntimeHandler } from "../oci/mod.ts";
import { allowedAnnotations, allowedFor } from "./allowed_annotations.ts";
import type { PodContext } from "./context.ts";
import { readFileIfAny } from "./files.ts";
import { subordinateIds } from "./id_ranges.ts";
import { infraName, sandboxName } from "./names.ts";
import { sandboxMetadataJson } from "./sandbox_record.ts";
import type { SandboxConfig } from "./types.ts";
import { annotatedMaps, asksForMaps } from "./user_namespace.ts";
import { workloadOf } from "./workloads.ts";

/** Whose subordinate ids are given to pods, as containers/storage does. */
const ID_OWNER = "containers";

/** A pod's configuration with the handler's default annotations and without those not allowed. */
export function gatedConfig(
  context: PodContext,
  handler: RuntimeHandler,
  asked: SandboxConfig,
): SandboxConfig {
  const annotations = { ...handler.defaultAnnotations, ...asked.annotations };
  const allowed = allowedFor(handler, workloadOf(annotations, context.options.workloads));
  return { ...asked, annotations: allowedAnnotations(annotations, allowed) };
}

/**
 * Makes a sandbox's record in the store.
 *
 * @returns The configuration with the id maps that were found for it.
 */
export async function createStorage(
  context: PodContext,
  id: string,
  config: SandboxConfig,
  createdAt: bigint,
): Promise<SandboxConfig> {
  const create = async (maps: IdMaps | undefined) => {
    await context.store.createContainer({
      id,
      names: [infraName(config.metadata), sandboxName(config.metadata)],
      image: undefined,
      metadata: sandboxMetadataJson(id, config.metadata, createdAt),
      ...(maps === undefined ? {} : { idMaps: maps }),
    });
    return maps === undefined ? config : withMaps(config, maps);
  };
  const { mode, maps } = config.security.namespaces.user;
  if (mode === "pod") return await create(maps);
  if (!asksForMaps(config.annotations)) {
    return await create(context.options.userNamespaces.staticMaps);
  }
  // Two pods must not find the same ids free.
  return await context.idSearch.run(async () => await create(await findMaps(context, config)));
}

async function findMaps(context: PodContext, config: SandboxConfig): Promise<IdMaps> {
  const { userNamespaces } = context.options;
  return await annotatedMaps(config.annotations, config.security, userNamespaces, async () => {
    const [uids, gids, containers] = await Promise.all([
      readFileIfAny("/etc/subuid"),
      readFileIfAny("/etc/subgid"),
      context.store.containers(),
    ]);
    return {
      uids: subordinateIds(uids ?? "", ID_OWNER),
      gids: subordinateIds(gids ?? "", ID_OWNER),
      used: containers.map(({ idMaps }) => idMaps),
    };
  });
}

function withMaps(config: SandboxConfig, maps: IdMaps): SandboxConfig {
  const { security } = config;
  const namespaces = { ...security.namespaces, user: { mode: "pod" as const, maps } };
  return { ...config, security: { ...security, namespaces } };
}
