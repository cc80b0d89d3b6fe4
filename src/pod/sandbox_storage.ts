import type { IdMaps, RuntimeHandler } from "../oci/mod.ts";
import type { ContainerLabels } from "../security/mod.ts";
import { allowedAnnotations, allowedFor } from "./allowed_annotations.ts";
import type { PodContext } from "./context.ts";
import { readFileIfAny } from "./files.ts";
import { subordinateIds } from "./id_ranges.ts";
import { infraName, sandboxName } from "./names.ts";
import { sandboxMetadataJson } from "./sandbox_record.ts";
import { newPodLabels, seeksLevel } from "./selinux.ts";
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

/** What was found for a sandbox that asked for no more than that it be found. */
export interface Found {
  /** With its id maps. */
  readonly config: SandboxConfig;
  readonly labels: ContainerLabels | undefined;
}

/** Makes a sandbox's record in the store. */
export async function createStorage(
  context: PodContext,
  id: string,
  config: SandboxConfig,
  createdAt: bigint,
): Promise<Found> {
  const create = async () => {
    const maps = await idMaps(context, config);
    const labels = await newPodLabels(context, config.security);
    await context.store.createContainer({
      id,
      names: [infraName(config.metadata), sandboxName(config.metadata)],
      image: undefined,
      metadata: sandboxMetadataJson(id, config.metadata, createdAt),
      ...(maps === undefined ? {} : { idMaps: maps }),
      labels,
    });
    return { config: maps === undefined ? config : withMaps(config, maps), labels };
  };
  if (!seeksMaps(config) && !seeksLevel(context, config.security)) return await create();
  // Two pods must not find the same ids or the same level free.
  return await context.idSearch.run(create);
}

function seeksMaps({ annotations, security }: SandboxConfig): boolean {
  return security.namespaces.user.mode !== "pod" && asksForMaps(annotations);
}

async function idMaps(context: PodContext, config: SandboxConfig): Promise<IdMaps | undefined> {
  if (seeksMaps(config)) return await findMaps(context, config);
  const { mode, maps } = config.security.namespaces.user;
  return mode === "pod" ? maps : context.options.userNamespaces.staticMaps;
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
