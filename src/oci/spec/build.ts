import type { BuiltSpec, OciSpec, RuntimeHandler, SpecDefaults, SpecInput } from "../types.ts";
import { blockioStage } from "../blockio/stage.ts";
import { tuningStage } from "../tuning/stage.ts";
import { cdiStage } from "../cdi/stage.ts";
import { hooksStage } from "../hooks/stage.ts";
import { capabilitiesStage } from "./capabilities.ts";
import { devicesStage } from "./devices.ts";
import type { SpecDraft, Stage } from "./draft.ts";
import { fipsStage } from "./fips.ts";
import { gomaxprocsStage } from "./gomaxprocs.ts";
import { imageVolumesStage } from "./image_volumes.ts";
import { limitsStage } from "./limits.ts";
import { mountsStage } from "./mounts.ts";
import { namespacesStage } from "./namespaces.ts";
import { processStage } from "./process.ts";
import { refusedAnnotationsStage } from "./refused_annotations.ts";
import { resourcesStage } from "./resources.ts";
import { rootfsStage } from "./rootfs.ts";
import { secretsStage } from "./secrets.ts";
import { securityStage } from "./security.ts";
import { selinuxStage } from "./selinux.ts";
import { sharedCpusStage } from "./shared_cpus.ts";
import { systemdStage } from "./systemd.ts";
import { timezoneStage } from "./timezone.ts";
import { specVersion } from "./version.ts";
import { userStage } from "./user.ts";

/** The order matters: mounts need the user, seccomp the capabilities. */
const STAGES: readonly Stage[] = [
  refusedAnnotationsStage,
  processStage,
  systemdStage,
  gomaxprocsStage,
  userStage,
  capabilitiesStage,
  namespacesStage,
  secretsStage,
  fipsStage,
  mountsStage,
  imageVolumesStage,
  devicesStage,
  resourcesStage,
  sharedCpusStage,
  tuningStage,
  blockioStage,
  limitsStage,
  securityStage,
  selinuxStage,
  rootfsStage,
  timezoneStage,
  hooksStage,
  cdiStage,
];

/**
 * Builds the OCI runtime spec of a container. Besides, it makes in the root file system what the
 * spec relies on: the working directory, and the directories of the image's volumes.
 *
 * @throws {CridError} `invalid_argument` for what CRI forbids or the image or host cannot give.
 */
export async function buildSpec(
  input: SpecInput,
  defaults: SpecDefaults,
  handler: RuntimeHandler,
): Promise<BuiltSpec> {
  const draft: SpecDraft = {
    input,
    defaults,
    handler,
    spec: emptySpec(input, handler),
    user: { uid: 0, gid: 0, additionalGids: [], account: undefined, group: undefined },
  };
  for (const stage of STAGES) await stage(draft);
  const { uid, gid, additionalGids } = draft.user;
  return {
    spec: draft.spec,
    user: { uid, gid, additionalGids },
    stopSignal: input.image.stopSignal || "SIGTERM",
  };
}

function emptySpec(input: SpecInput, handler: RuntimeHandler): OciSpec {
  return {
    ociVersion: specVersion(handler.features.ociVersion),
    process: {
      terminal: input.tty,
      user: { uid: 0, gid: 0 },
      args: [],
      env: [],
      cwd: "/",
      noNewPrivileges: false,
    },
    root: { path: input.rootfs, readonly: false },
    mounts: [],
    annotations: { ...input.annotations },
    linux: {
      namespaces: [],
      resources: {},
      ...(input.cgroupsPath === "" ? {} : { cgroupsPath: input.cgroupsPath }),
      ...(Object.keys(input.sysctls).length === 0 ? {} : { sysctl: { ...input.sysctls } }),
    },
  };
}
